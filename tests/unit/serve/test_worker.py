"""Turns: one job at a time, those that take long beside the others, and few of them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tagseg.serve.limits import Limits
from tagseg.serve.refusal import RefusedError
from tagseg.serve.worker import ClientLeftError, Worker


class Jobs:
    """Jobs that end when they are told to, and who has begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended = {name: threading.Event() for name in "abcde"}

    def __call__(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self.begun.append(name)
            assert self.ended[name].wait(60)
            return name

        return work

    async def wait_for(self, *names: str) -> None:
        while self.begun != list(names):
            await asyncio.sleep(0.01)


def run(scenario: Callable[[Worker, Jobs], Awaitable[None]], **limits: Any) -> None:
    """Play with a worker; all its threads end afterwards."""
    worker, jobs = Worker(Limits(**limits)), Jobs()
    try:
        asyncio.run(asyncio.wait_for(scenario(worker, jobs), 60))
    finally:
        for event in jobs.ended.values():
            event.set()
        worker.close()


def ask(worker: Worker, job: Callable[[], Any], *, gone: Any = None, within_s: float = 60.0) -> "asyncio.Task[Any]":
    loop = asyncio.get_running_loop()
    gone = loop.create_future() if gone is None else gone
    return asyncio.ensure_future(worker.compute(job, gone=gone, until_s=loop.time() + within_s))


def test_short_jobs_work_one_after_the_other_in_their_order():
    async def scenario(worker: Worker, jobs: Jobs) -> None:
        asked = [ask(worker, jobs(name)) for name in "abc"]
        for count in (1, 2, 3):
            await jobs.wait_for(*"abc"[:count])
            await asyncio.sleep(0.05)
            assert len(jobs.begun) == count
            jobs.ended["abc"[count - 1]].set()
            assert await asked[count - 1] == "abc"[count - 1]

    run(scenario, alone_s=1000.0)


def test_a_job_that_takes_long_lets_the_next_begin():
    async def scenario(worker: Worker, jobs: Jobs) -> None:
        long, short = ask(worker, jobs("a")), ask(worker, jobs("b"))
        await jobs.wait_for("a", "b")
        jobs.ended["b"].set()
        assert await short == "b"
        assert not long.done()
        jobs.ended["a"].set()
        assert await long == "a"

    run(scenario, alone_s=0.05)


def test_few_work_beside_the_one_in_turn():
    async def scenario(worker: Worker, jobs: Jobs) -> None:
        asked = [ask(worker, jobs(name)) for name in "abcde"]
        await jobs.wait_for(*"abc")
        await asyncio.sleep(0.2)
        assert jobs.begun == list("abc")
        jobs.ended["b"].set()
        assert await asked[1] == "b"
        await jobs.wait_for(*"abcd")

    run(scenario, alone_s=0.02, beside=2)


def test_what_a_job_raises_is_raised_and_the_next_begins():
    async def scenario(worker: Worker, jobs: Jobs) -> None:
        jobs.ended["a"].set()
        bad, good = ask(worker, lambda: 1 // 0), ask(worker, jobs("a"))
        with pytest.raises(ZeroDivisionError):
            await bad
        assert await good == "a"

    run(scenario)


def test_a_job_whose_client_left_or_whose_time_is_up_never_begins():
    async def scenario(worker: Worker, jobs: Jobs) -> None:
        gone = asyncio.get_running_loop().create_future()
        first = ask(worker, jobs("a"))
        left, late, last = (
            ask(worker, jobs("b"), gone=gone),
            ask(worker, jobs("c"), within_s=0.05),
            ask(worker, jobs("d")),
        )
        gone.set_result(None)
        with pytest.raises(ClientLeftError):
            await left
        with pytest.raises(RefusedError, match="got no answer by then"):
            await late
        for name in "ad":
            jobs.ended[name].set()
        assert [await first, await last] == ["a", "d"]
        assert jobs.begun == ["a", "d"]

    run(scenario, alone_s=1000.0)


def test_a_job_that_ends_after_the_loop_is_silent(capfd):
    jobs = Jobs()
    worker = Worker(Limits())

    async def leave() -> None:
        with pytest.raises(RefusedError):
            await ask(worker, jobs("a"), within_s=0.05)

    asyncio.run(leave())
    jobs.ended["a"].set()
    worker._threads.shutdown(wait=True)
    assert capfd.readouterr() == ("", "")
