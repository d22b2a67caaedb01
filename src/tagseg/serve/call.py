"""One request with files, from its first byte to its answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from tagseg.classes import ClassTable
from tagseg.serve.body import Body
from tagseg.serve.limits import Limits
from tagseg.serve.options import FORMATS, Options, parse_options
from tagseg.serve.refusal import RefusedError
from tagseg.serve.uploads import FIELD, Form, read_form
from tagseg.serve.worker import Worker

T = TypeVar("T")


class Call:
    """One request whose images go to the worker, until its client leaves or its time is up.

    Args:
        request: read as a whole.
        worker: of its images.
        answer_s: seconds until the answer must be there.
    """

    def __init__(self, request: Request, worker: Worker, *, answer_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._worker = worker
        self._until_s = loop.time() + answer_s
        self._gone = loop.create_task(_wait_until_gone(request))

    async def compute(self, job: Callable[[], T], *, worker: Worker | None = None) -> T:
        """Do a job in a thread of the worker, or of another one."""
        return await (worker or self._worker).compute(job, gone=self._gone, until_s=self._until_s)

    def close(self) -> None:
        """Look no longer whether the client has left."""
        self._gone.cancel()


Make = Callable[[Call, Form, Options], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Takes:
    """What an address takes.

    Args:
        options: their names.
        classes: whose names tags are.
        limits: of a request.
        formats: that the option ``format`` names.
        files: fields of the form that hold files.
    """

    options: tuple[str, ...]
    classes: ClassTable
    limits: Limits
    formats: tuple[str, ...] = FORMATS
    files: tuple[str, ...] = (FIELD,)


async def answer_request(request: Request, worker: Worker, takes: Takes, make: Make) -> Response:
    """Read a request and return its answer.

    Args:
        request: not read yet.
        worker: that has a place for it.
        takes: what it may send.
        make: makes the answer of its form and its options.

    Raises:
        TagsegError: when it cannot be answered.
    """
    limits = takes.limits
    body = Body(request, limits)
    try:
        async with worker.place() as reading:
            headers = request.headers
            form = await read_form(
                body,
                headers.get("content-type"),
                limits,
                disposition=headers.get("content-disposition"),
                names=takes.files,
                lost=reading.lost,
            )
            worker.arrived(reading)
            values = [*request.query_params.multi_items(), *form.fields]
            options = parse_options(
                values, allowed=takes.options, classes=takes.classes, limits=limits, formats=takes.formats
            )
            call = Call(request, worker, answer_s=limits.answer_s)
            try:
                return await make(call, form, options)
            finally:
                call.close()
    except RefusedError:
        await body.throw_away()
        raise


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
