"""Requests with images, from the first byte to the answer."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from io import StringIO
from typing import TypeVar

from PIL import Image as PillowImage
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from tagseg.artifacts.coco_file import coco_stream
from tagseg.errors import TagsegError
from tagseg.serve import answers
from tagseg.serve.body import Body
from tagseg.serve.kept_corrections import CorrectionFolder, fine_regions, labels_of_colors, region_colors
from tagseg.serve.options import CAM_OPTIONS, PREDICT_OPTIONS, Options, parse_options
from tagseg.serve.refusal import RefusedError
from tagseg.serve.service import Service
from tagseg.serve.uploads import Form, Upload, read_form
from tagseg.serve.worker import Worker

T = TypeVar("T")

_JSON = "application/json"


async def answer_predict(request: Request, service: Service, worker: Worker) -> Response:
    """Return masks in the format that the request asks for.

    Raises:
        TagsegError: when the request cannot be answered.
    """

    async def make(call: _Call, form: Form, options: Options) -> Response:
        service.require_answerable(options)
        if options.format == "json":
            return await _json_of_all(call, form, partial(_predict, service, options))
        if options.format == "coco":
            return await _coco_of_all(call, form, service, options)
        if len(form.uploads) > 1:
            raise RefusedError(
                f"format {options.format} answers one image, got {len(form.uploads)} files",
                help="send one file a request, or ask for json or coco",
            )
        content = await call.compute(lambda: service.picture(form.uploads[0], options))
        return Response(content, media_type="image/png")

    return await _answer(request, service, worker, allowed=PREDICT_OPTIONS, make=make)


async def answer_cams(request: Request, service: Service, worker: Worker) -> Response:
    """Return tags and maps.

    Raises:
        TagsegError: when the request cannot be answered.
    """

    async def make(call: _Call, form: Form, options: Options) -> Response:
        service.require_cams()
        return await _json_of_all(call, form, partial(_look, service, options))

    return await _answer(request, service, worker, allowed=CAM_OPTIONS, make=make)


async def answer_superpixels(request: Request, service: Service, worker: Worker) -> Response:
    """Return regions of similar colour.

    Raises:
        TagsegError: when the request cannot be answered.
    """

    async def make(call: _Call, form: Form, options: Options) -> Response:
        return await _json_of_all(call, form, partial(_cut, service))

    return await _answer(request, service, worker, allowed=(), make=make)


async def answer_corrections(request: Request, service: Service, worker: Worker, folder: CorrectionFolder) -> Response:
    """Keep corrected masks, and return the names of their files.

    Raises:
        TagsegError: when a mask cannot be used or written.
    """

    async def make(call: _Call, form: Form, options: Options) -> Response:
        return await _json_of_all(call, form, partial(_keep, service, folder))

    return await _answer(request, service, worker, allowed=(), make=make)


class _Call:
    """One request whose images go to the worker, until its client leaves or its time is up."""

    def __init__(self, request: Request, worker: Worker, *, answer_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._worker = worker
        self._until_s = loop.time() + answer_s
        self._gone = loop.create_task(_wait_until_gone(request))

    async def compute(self, job: Callable[[], T]) -> T:
        return await self._worker.compute(job, gone=self._gone, until_s=self._until_s)

    def close(self) -> None:
        self._gone.cancel()


_Make = Callable[[_Call, Form, Options], Awaitable[Response]]


async def _answer(
    request: Request, service: Service, worker: Worker, *, allowed: tuple[str, ...], make: _Make
) -> Response:
    body = Body(request, service.limits)
    try:
        async with worker.place() as reading:
            headers = request.headers
            form = await read_form(
                body,
                headers.get("content-type"),
                service.limits,
                disposition=headers.get("content-disposition"),
                lost=reading.lost,
            )
            worker.arrived(reading)
            values = [*request.query_params.multi_items(), *form.fields]
            options = parse_options(values, allowed=allowed, classes=service.tag_classes, limits=service.limits)
            call = _Call(request, worker, answer_s=service.limits.answer_s)
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


def _predict(service: Service, options: Options, upload: Upload) -> BaseModel:
    return service.predict(upload, options)


def _look(service: Service, options: Options, upload: Upload) -> BaseModel:
    return service.look(upload, options)


def _cut(service: Service, upload: Upload) -> BaseModel:
    regions = fine_regions(service.read(upload))
    picture = answers.png(PillowImage.fromarray(region_colors(regions)))
    return answers.Superpixels(
        name=upload.name,
        height=regions.shape[0],
        width=regions.shape[1],
        count=int(regions.max()) + 1,
        regions_png=answers.base64_text(picture),
    )


def _keep(service: Service, folder: CorrectionFolder, upload: Upload) -> BaseModel:
    labels = labels_of_colors(service.read(upload), service.label_classes, upload.name)
    return answers.Saved(name=upload.name, file=folder.save(upload.name, labels).name)


async def _json_of_all(call: _Call, form: Form, make: Callable[[Upload], BaseModel]) -> Response:
    """Return one entry a file. The only file's error is the answer; of several, each has its own."""
    alone = len(form.uploads) == 1
    parts = [await call.compute(partial(_json_of_one, upload, make, alone=alone)) for upload in form.uploads]
    return Response(b'{"images":[' + b",".join(parts) + b"]}\n", media_type=_JSON)


def _json_of_one(upload: Upload, make: Callable[[Upload], BaseModel], *, alone: bool) -> bytes:
    try:
        found = make(upload)
    except TagsegError as error:
        if alone:
            raise
        found = answers.Failure(name=upload.name, error=error.problem, help=error.help)
    return found.model_dump_json().encode()


async def _coco_of_all(call: _Call, form: Form, service: Service, options: Options) -> Response:
    """Return one COCO file of all images; any file's error is the answer."""
    file = StringIO()
    with coco_stream(file, service.classes_of(options)) as add:

        def add_one(upload: Upload) -> None:
            add(upload.name, service.label(upload, options).labels)

        for upload in form.uploads:
            await call.compute(partial(add_one, upload))
    return Response(file.getvalue(), media_type=_JSON)
