"""Requests for exports: masks that are sent, as a page shows them, or that the networks make."""

import json
import zlib
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from tagseg.serve.call import Call, Takes, answer_request
from tagseg.serve.export_formats import EXPORT_FORMATS, ONE_FILE
from tagseg.serve.export_options import export_choice
from tagseg.serve.exporter import Exporters, Order, SentMask
from tagseg.serve.options import EXPORT_OPTIONS, Options
from tagseg.serve.refusal import RefusedError
from tagseg.serve.service import Service
from tagseg.serve.uploads import FIELD, MASKS, Form, Upload
from tagseg.use.label_files import WITH_PHOTOGRAPHS, FormatChoice

NOTES = "x-notes"
"""The header that says what an export lost of the masks: a JSON list of sentences."""

_LONGEST_NAME = 240  # bytes of a file name, which may have 255 with the ending that a format adds


async def answer_export(request: Request, service: Service, exporters: Exporters) -> Response:
    """Return masks that are sent in a format of ``tagseg export``.

    Raises:
        TagsegError: when the request cannot be answered.
    """

    async def make(call: Call, form: Form, options: Options) -> Response:
        choice = export_choice(options)
        if choice is None:
            raise RefusedError(
                f"export has one of the formats {', '.join(EXPORT_FORMATS)}, got none",
                help="send for example format=coco",
            )
        _require_pairs(form, choice)
        if not 0 <= options.corrected <= len(form.masks):
            raise RefusedError(
                f"corrected is a number of masks, 0 to {len(form.masks)} here, got {options.corrected}",
                help="send how many of the masks a person corrected",
            )
        masks = [SentMask(mask.name, mask.data) for mask in form.masks]
        photographs = [upload.data for upload in form.uploads]
        order = Order(choice, service.label_classes, masks, photographs, options.corrected)
        return await _export(call, exporters, order)

    takes = Takes(EXPORT_OPTIONS, service.label_classes, exporters.limits, tuple(EXPORT_FORMATS), (MASKS, FIELD))
    return await answer_request(request, exporters.worker, takes, make)


async def export_predictions(
    call: Call, form: Form, service: Service, exporters: Exporters, options: Options
) -> Response:
    """Return what the networks make of photographs in a format of ``tagseg export``.

    Raises:
        TagsegError: when a photograph cannot be used.
    """
    choice = export_choice(options)
    assert choice is not None
    _require_short_names(form.uploads)
    masks = [await call.compute(partial(_mask_of, service, options, upload)) for upload in form.uploads]
    photographs = [upload.data for upload in form.uploads] if choice.format in WITH_PHOTOGRAPHS else []
    return await _export(call, exporters, Order(choice, service.classes_of(options), masks, photographs))


def _mask_of(service: Service, options: Options, upload: Upload) -> SentMask:
    labels = service.label(upload, options).labels
    return SentMask(upload.name, zlib.compress(labels.tobytes(), level=1), (labels.shape[0], labels.shape[1]))


async def _export(call: Call, exporters: Exporters, order: Order) -> Response:
    """Let the export be written, until its client leaves or its time is up."""
    job = exporters.job(order)
    try:
        made = await call.compute(job.run, worker=exporters.worker)
    finally:
        job.stop()
    format = order.choice.format
    kind, ending = ("application/json", "json") if format in ONE_FILE else ("application/zip", "zip")
    headers = {"content-disposition": f'attachment; filename="{format}.{ending}"', NOTES: json.dumps(made.said)}
    return Response(made.content, media_type=kind, headers=headers)


def _require_pairs(form: Form, choice: FormatChoice) -> None:
    """Refuse masks without their photographs, where the format holds these or any are sent."""
    _require_short_names(form.masks)
    masks, photographs = form.masks, form.uploads
    if not photographs and choice.format not in WITH_PHOTOGRAPHS:
        return
    if len(masks) != len(photographs):
        holds = "holds photographs and " if choice.format in WITH_PHOTOGRAPHS else ""
        raise RefusedError(
            f"export as {choice.format} {holds}has one for each mask, got {len(photographs)} for {len(masks)} masks",
            help=f"send in the field '{FIELD}' the photograph of each mask, in the same order",
        )
    for mask, photograph in zip(masks, photographs, strict=True):
        if mask.name != photograph.name:
            raise RefusedError(
                f"mask has the name of its photograph, got '{mask.name}' for '{photograph.name}'",
                help="send masks and photographs in the same order, each mask under the name of its photograph",
            )


def _require_short_names(uploads: list[Upload]) -> None:
    for upload in uploads:
        size = len(upload.name.encode())
        if size > _LONGEST_NAME:
            raise RefusedError(
                f"file name of an export has at most {_LONGEST_NAME} bytes, got {size}", help="rename the file"
            )
