"""The threads in which networks run: requests wait for their turn in order, and the event loop never waits.

One job works at a time. One that takes long goes on while others start, so that no image holds others up.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from tagseg.serve.limits import Limits
from tagseg.serve.refusal import RefusedError

T = TypeVar("T")


class ClientLeftError(Exception):
    """Whoever asked has left, so nobody is answered."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The place of a request that arrives.

    Args:
        since_s: when it began to, by the event loop's clock.
        lost: done when the place was given to another request.
    """

    since_s: float
    lost: "asyncio.Future[None]"


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A job that waits for its turn, and who waits for its answer."""

    job: Callable[[], Any]
    answer: "asyncio.Future[Any]"


class Worker:
    """A queue in front of threads.

    The job in turn works alone. After ``alone_s`` seconds it goes on while the next works, if at most ``beside`` do.

    Args:
        limits: how many requests may be inside, and for how long.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._threads = ThreadPoolExecutor(1 + limits.beside, thread_name_prefix="networks")
        self._waiting: deque[_Waiting] = deque()
        self._working: set[Future[Any]] = set()
        self._in_turn: Future[Any] | None = None
        self._inside = 0
        self._reading: dict[Reading, None] = {}  # in the order in which they came
        self._last_s = 1.0
        self._done, self._done_s = 0, 0.0

    @property
    def inside(self) -> int:
        """Requests that are being read, wait, or are computed."""
        return self._inside

    @property
    def done(self) -> tuple[int, float]:
        """Jobs that have ended since the start, with those that failed, and the seconds that they took."""
        return self._done, self._done_s

    @asynccontextmanager
    async def place(self) -> AsyncIterator["Reading"]:
        """Keep a place for one request, from before it is read, so that memory is bounded too.

        Where all are taken, the request that has been arriving for the longest time gives its place up, after
        ``crowded_s`` seconds: whoever sends slowly keeps nobody out.

        Raises:
            RefusedError: when all places are taken by requests that have arrived.
        """
        while self._inside >= self._limits.waiting:
            oldest = next(iter(self._reading), None)
            if oldest is None:
                raise self._full()
            await asyncio.sleep(max(0.0, oldest.since_s + self._limits.crowded_s - _now_s()))
            if self._inside >= self._limits.waiting and oldest in self._reading:
                del self._reading[oldest]
                self._inside -= 1
                oldest.lost.set_result(None)
        self._inside += 1
        reading = Reading(_now_s(), asyncio.get_running_loop().create_future())
        self._reading[reading] = None
        try:
            yield reading
        finally:
            self._reading.pop(reading, None)
            if not reading.lost.done():
                self._inside -= 1

    def arrived(self, reading: "Reading") -> None:
        """Note that a request is there as a whole: its place stays its own."""
        self._reading.pop(reading, None)

    async def compute(self, job: Callable[[], T], *, gone: "asyncio.Future[None]", until_s: float) -> T:
        """Do a job in a thread and return what it returns, or raise what it raises.

        A job that has not started when its client leaves or its time is up never starts; one that runs is left to end.

        Args:
            job: the work.
            gone: done when the client has left.
            until_s: time of the event loop at which the answer must be there.

        Raises:
            ClientLeftError: when the client has left.
            RefusedError: when the time is up.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(job, answer))
        self._start_next()
        left_s = max(0.0, until_s - _now_s())
        try:
            await asyncio.wait({answer, gone}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
        finally:
            answer.cancel()
        if gone.done():
            raise ClientLeftError
        raise RefusedError(
            f"answer is there within {self._limits.answer_s:g} s, got no answer by then",
            help="send fewer or smaller images, or fewer scales",
            status=503,
        )

    def compute_now(self, job: Callable[[], T]) -> T:
        """Do a job in a thread and wait for it: for the start, when there is no event loop yet."""
        return self._threads.submit(self._timed, job).result()

    def close(self) -> None:
        """Drop what has not started."""
        self._waiting.clear()
        self._threads.shutdown(wait=False)

    def _start_next(self) -> None:
        """Start the job that has waited longest, where none has the turn and few go on."""
        while self._waiting and self._in_turn is None and len(self._working) <= self._limits.beside:
            waiting = self._waiting.popleft()
            if not waiting.answer.done():
                self._start(waiting)

    def _start(self, waiting: _Waiting) -> None:
        loop = asyncio.get_running_loop()
        self._in_turn = working = self._threads.submit(self._timed, waiting.job)
        self._working.add(working)
        loop.call_later(self._limits.alone_s, self._end_turn, working)
        started_s = loop.time()

        def tell(ended: Future[Any]) -> None:
            with suppress(RuntimeError):  # the loop is closed: the server has ended
                loop.call_soon_threadsafe(self._end, ended, waiting.answer, started_s)

        working.add_done_callback(tell)

    def _end_turn(self, working: Future[Any]) -> None:
        """Give the turn of a job to the next."""
        if self._in_turn is working:
            self._in_turn = None
            self._start_next()

    def _end(self, ended: Future[Any], answer: "asyncio.Future[Any]", started_s: float) -> None:
        """Hand on what a job has found, and its turn."""
        self._working.discard(ended)
        self._done, self._done_s = self._done + 1, self._done_s + _now_s() - started_s
        if not answer.done():
            error = ended.exception()
            if error is None:
                answer.set_result(ended.result())
            else:
                answer.set_exception(error)
        if self._in_turn is ended:
            self._in_turn = None
        self._start_next()

    def _full(self) -> RefusedError:
        seconds = math.ceil(self._inside * self._last_s)
        return RefusedError(
            f"server takes {self._limits.waiting} requests at a time, got one more",
            help=f"send it again in {seconds} s",
            status=429,
            headers={"retry-after": str(seconds)},
        )

    def _timed(self, job: Callable[[], T]) -> T:
        started_s = time.perf_counter()
        try:
            return job()
        finally:
            self._last_s = time.perf_counter() - started_s


def _now_s() -> float:
    return asyncio.get_running_loop().time()
