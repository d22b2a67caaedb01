"""The addresses of the server: the page, its files, and what programs ask."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tagseg.data.image_formats import ENDINGS_BY_FORMAT
from tagseg.errors import TagsegError
from tagseg.serve import answers
from tagseg.serve.access import Access
from tagseg.serve.calls import answer_cams, answer_corrections, answer_predict, answer_superpixels
from tagseg.serve.export_calls import NOTES, answer_export
from tagseg.serve.export_formats import EXPORT_FORMATS
from tagseg.serve.exporter import Exporters
from tagseg.serve.guard import Guard
from tagseg.serve.kept_corrections import CorrectionFolder
from tagseg.serve.metrics import CONTENT_TYPE, Counted, Metrics
from tagseg.serve.options import CAM_OPTIONS, EXPORT_OPTIONS, PREDICT_OPTIONS, option_parameters, option_properties
from tagseg.serve.pages import no_such_page, page_response
from tagseg.serve.refusal import RefusedError, error_response, json_response
from tagseg.serve.service import Service
from tagseg.serve.token_gate import TokenGate
from tagseg.serve.uploads import FIELD, MASKS
from tagseg.serve.worker import ClientLeftError, Worker
from tagseg.system.own_version import own_version

_CLIENT_LEFT = 499  # as some servers log it; nobody reads this answer

_ERRORS = {
    400: "An option or a file name cannot be used, a request without files, or a foreign Host.",
    401: "The server asks for a token, and the request has none or another one.",
    403: "A page of another site asks.",
    408: "The request does not arrive in time.",
    413: "Too many bytes, files, pixels or tags.",
    415: "A content that is not an image of a format that is read.",
    422: "An image that is empty or damaged.",
    429: "Too many requests at a time; the header Retry-After says when to try again, in seconds.",
    503: "The answer takes too long.",
}

_FILE = {"schema": {"type": "string", "format": "binary"}}
_SAMPLE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": _FILE}, "description": "An image file."},
    404: {"model": answers.Error, "description": "There is none; see the field sample of /info."},
}
_METRICS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format."},
}


def create_app(service: Service, *, access: Access, corrections: CorrectionFolder | None = None) -> ASGIApp:
    """Return the application, its networks warmed up.

    Args:
        service: what answers.
        access: who may ask; others are refused.
        corrections: where corrected masks are kept; None: nothing is written.
    """
    worker = Worker(service.limits)
    worker.compute_now(service.warm_up)
    exporters = Exporters(service.limits)
    metrics = Metrics(own_version())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        worker.close()
        exporters.close()
        service.close()

    app = FastAPI(
        title="tagseg",
        version=own_version(),
        description="Masks of photographs. Photographs that are sent are not kept.",
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
    )
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(TagsegError, _answer_error)
    app.add_exception_handler(ClientLeftError, _answer_nobody)
    app.add_exception_handler(Exception, _answer_defect)
    _add_pages(app)
    _add_facts(app, service, takes_corrections=corrections is not None)
    _add_numbers(app, worker, exporters, metrics)
    _add_images(app, service, worker, exporters)
    _add_editing(app, service, worker, corrections)
    addresses = [route.path for route in app.routes if isinstance(route, Route)]
    guarded = Guard(_opened_to_sites(_behind_token(app, access, service), access), access=access)
    return Counted(guarded, metrics, addresses=addresses, root_path=access.root_path)


def _behind_token(app: ASGIApp, access: Access, service: Service) -> ASGIApp:
    return app if access.token is None else TokenGate(app, token=access.token, limits=service.limits)


def _opened_to_sites(app: ASGIApp, access: Access) -> ASGIApp:
    """Let pages of the allowed sites read answers, refusals for want of a token too."""
    if not access.origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=access.origins,
        allow_methods=("GET", "POST"),
        allow_headers=("authorization", "content-type", "content-disposition"),
        expose_headers=("retry-after", NOTES),
    )


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return page_response("index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return page_response("docs.html")

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        return page_response(name)


def _add_facts(app: FastAPI, service: Service, *, takes_corrections: bool) -> None:
    @app.get("/info", summary="What is served")
    async def info() -> answers.Info:
        segmenter, cams = service.networks.segmenter, service.networks.cams
        design = None if segmenter is None else segmenter.network.design
        return answers.Info(
            title=service.title,
            version=own_version(),
            segmenter=None if design is None else f"{design.architecture} on {design.backbone}",
            classifier=None if cams is None else cams.title,
            labels=list(service.label_classes.label_names),
            tags=[] if cams is None else list(cams.classes.names),
            palettes=service.palettes(),
            background_score=None if cams is None else cams.background_score,
            formats=list(ENDINGS_BY_FORMAT),
            exports=answers.export_formats(),
            corrections=takes_corrections,
            sample=None if service.sample is None else service.sample.name,
            max_upload_mb=service.limits.upload_mb,
            max_files=service.limits.files,
            max_pixels=service.limits.pixels,
        )

    @app.get("/sample", summary="A picture to try", response_model=None, responses=_SAMPLE)
    async def sample() -> Response:
        if service.sample is None:
            raise no_such_page()
        return Response(service.sample.data, media_type="application/octet-stream")


def _add_numbers(app: FastAPI, worker: Worker, exporters: Exporters, metrics: Metrics) -> None:
    @app.get("/health", summary="Whether the server lives")
    async def health() -> answers.Health:
        return answers.Health(status="ok", requests=worker.inside + exporters.worker.inside)

    @app.get("/metrics", summary="Numbers for Prometheus", response_model=None, responses=_METRICS)
    async def numbers() -> Response:
        images, images_s = worker.done
        text = metrics.text(inside=worker.inside + exporters.worker.inside, images=images, images_s=images_s)
        return Response(text, media_type=CONTENT_TYPE)


def _add_images(app: FastAPI, service: Service, worker: Worker, exporters: Exporters) -> None:
    pictures = {"image/png": _FILE, "application/zip": _FILE}

    @app.post("/predict", summary="Masks of images", **_described(PREDICT_OPTIONS, answers.Predictions, pictures))
    async def predict(request: Request) -> Response:
        return await answer_predict(request, service, worker, exporters)

    @app.post("/cams", summary="Tags and maps of images", **_described(CAM_OPTIONS, answers.MapsOfImages, {}))
    async def cams(request: Request) -> Response:
        return await answer_cams(request, service, worker)

    @app.post("/export", summary="Masks that are sent, for other tools", **_described_export())
    async def export(request: Request) -> Response:
        return await answer_export(request, service, exporters)


def _add_editing(app: FastAPI, service: Service, worker: Worker, folder: CorrectionFolder | None) -> None:
    @app.post("/superpixels", summary="Regions of similar colour", **_described((), answers.SuperpixelsOfImages, {}))
    async def superpixels(request: Request) -> Response:
        return await answer_superpixels(request, service, worker)

    @app.post("/corrections", summary="Keep corrected masks", **_described((), answers.SavedOfImages, {}))
    async def corrections(request: Request) -> Response:
        if folder is None:
            raise RefusedError(
                "this server keeps no corrections, got one",
                help="start it with --corrections and a folder",
                status=404,
            )
        return await answer_corrections(request, service, worker, folder)


def _described(options: tuple[str, ...], model: type[BaseModel], content: dict[str, Any]) -> dict[str, Any]:
    """Return what OpenAPI says of an address that takes images: the request is read by hand, see ``uploads``."""
    files = {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "description": f"One or more files: {', '.join(ENDINGS_BY_FORMAT)}.",
    }
    form = {"type": "object", "required": [FIELD], "properties": {FIELD: files, **option_properties(options)}}
    found = {"model": model, "content": content, "description": "One entry for each file, in their order."}
    return {
        "response_model": None,
        "responses": _responses(found),
        "openapi_extra": {
            "parameters": option_parameters(options),
            "requestBody": {
                "required": True,
                "content": {
                    "multipart/form-data": {"schema": form},
                    "image/*": _FILE,
                    "application/octet-stream": _FILE,
                },
            },
        },
    }


def _described_export() -> dict[str, Any]:
    """Return what OpenAPI says of the address that takes masks."""
    formats = tuple(EXPORT_FORMATS)
    one_or_more = {"type": "array", "items": {"type": "string", "format": "binary"}}
    properties = {
        MASKS: one_or_more | {"description": "Palette PNGs in VOC's colours, each under the name of its photograph."},
        FIELD: one_or_more | {"description": "The photographs, in the same order; for formats that hold them."},
        **option_properties(EXPORT_OPTIONS, formats),
    }
    form = {"type": "object", "required": [MASKS], "properties": properties}
    found = {
        "content": {"application/zip": _FILE, "application/json": {"schema": {"type": "object"}}},
        "description": "A ZIP archive; one JSON file for the formats of COCO.",
        "headers": {NOTES: {"schema": {"type": "string"}, "description": "JSON: what was lost, a sentence each."}},
    }
    return {
        "response_model": None,
        "responses": _responses(found),
        "openapi_extra": {
            "parameters": option_parameters(EXPORT_OPTIONS, formats),
            "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}},
        },
    }


def _responses(found: dict[str, Any]) -> dict[int, Any]:
    return {200: found} | {status: {"model": answers.Error, "description": text} for status, text in _ERRORS.items()}


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TagsegError)
    return error_response(error)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return error_response(no_such_page())
    if error.status_code == 405:
        allowed = Headers(error.headers).get("allow", "another method")
        return error_response(
            RefusedError(
                f"address {request.url.path} is asked with {allowed}, got {request.method}",
                help=f"use {allowed}",
                status=405,
                headers=error.headers,
            )
        )
    return json_response({"error": str(error.detail), "help": "correct the request"}, status=error.status_code)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=_CLIENT_LEFT)


async def _answer_defect(request: Request, error: Exception) -> Response:
    """Answer for an error that nobody foresaw; the server logs its traceback."""
    return json_response(
        {
            "error": f"request could not be answered, got {type(error).__name__} inside the program",
            "help": "see the terminal of 'tagseg serve' for details",
        },
        status=500,
    )
