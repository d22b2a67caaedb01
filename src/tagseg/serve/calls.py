"""Requests with images: what is made of each, and the answer."""

from collections.abc import Callable
from functools import partial

from PIL import Image as PillowImage
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from tagseg.errors import TagsegError
from tagseg.serve import answers
from tagseg.serve.call import Call, Takes, answer_request
from tagseg.serve.export_calls import export_predictions
from tagseg.serve.export_options import export_choice
from tagseg.serve.exporter import Exporters
from tagseg.serve.kept_corrections import CorrectionFolder, fine_regions, region_colors
from tagseg.serve.mask_colors import labels_of_colors
from tagseg.serve.options import CAM_OPTIONS, PREDICT_OPTIONS, Options
from tagseg.serve.refusal import RefusedError
from tagseg.serve.service import Service
from tagseg.serve.uploads import Form, Upload
from tagseg.serve.worker import Worker

_JSON = "application/json"


async def answer_predict(request: Request, service: Service, worker: Worker, exporters: Exporters) -> Response:
    """Return masks in the format that the request asks for.

    Raises:
        TagsegError: when the request cannot be answered.
    """

    async def make(call: Call, form: Form, options: Options) -> Response:
        choice = export_choice(options)
        service.require_answerable(options)
        if options.format == "json":
            return await _json_of_all(call, form, partial(_predict, service, options))
        if choice is not None:
            return await export_predictions(call, form, service, exporters, options)
        if len(form.uploads) > 1:
            raise RefusedError(
                f"format {options.format} answers one image, got {len(form.uploads)} files",
                help="send one file a request, or ask for json or the format of an export",
            )
        content = await call.compute(lambda: service.picture(form.uploads[0], options))
        return Response(content, media_type="image/png")

    return await answer_request(request, worker, _takes(service, PREDICT_OPTIONS), make)


async def answer_cams(request: Request, service: Service, worker: Worker) -> Response:
    """Return tags and maps.

    Raises:
        TagsegError: when the request cannot be answered.
    """

    async def make(call: Call, form: Form, options: Options) -> Response:
        service.require_cams()
        return await _json_of_all(call, form, partial(_look, service, options))

    return await answer_request(request, worker, _takes(service, CAM_OPTIONS), make)


async def answer_superpixels(request: Request, service: Service, worker: Worker) -> Response:
    """Return regions of similar colour.

    Raises:
        TagsegError: when the request cannot be answered.
    """

    async def make(call: Call, form: Form, options: Options) -> Response:
        return await _json_of_all(call, form, partial(_cut, service))

    return await answer_request(request, worker, _takes(service, ()), make)


async def answer_corrections(request: Request, service: Service, worker: Worker, folder: CorrectionFolder) -> Response:
    """Keep corrected masks, and return the names of their files.

    Raises:
        TagsegError: when a mask cannot be used or written.
    """

    async def make(call: Call, form: Form, options: Options) -> Response:
        return await _json_of_all(call, form, partial(_keep, service, folder))

    return await answer_request(request, worker, _takes(service, ()), make)


def _takes(service: Service, options: tuple[str, ...]) -> Takes:
    return Takes(options, service.tag_classes, service.limits)


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


async def _json_of_all(call: Call, form: Form, make: Callable[[Upload], BaseModel]) -> Response:
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
