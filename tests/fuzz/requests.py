"""What strangers send to ``tagseg serve``: forms, options, names, headers."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.requests import Request

from fuzz.pictures import photographs
from fuzz.reader import Read, Reader
from tagseg.classes import ClassTable
from tagseg.errors import TagsegError
from tagseg.serve.access import Access
from tagseg.serve.body import Body
from tagseg.serve.guard import allows_host
from tagseg.serve.limits import Limits
from tagseg.serve.options import PREDICT_OPTIONS, Options, parse_options
from tagseg.serve.refusal import error_response
from tagseg.serve.uploads import Form, plain_name, read_form

CLASSES = ClassTable(("cat", "dog", "red fox"))
BOUNDARY = b"0123456789abcdef"


def multipart(*parts: tuple[bytes, bytes]) -> bytes:
    """Return a request: its content type, a line break, and its body."""
    body = b"".join(
        b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + data + b"\r\n"
        for head, data in parts
    )
    return b"multipart/form-data; boundary=" + BOUNDARY + b"\n" + body + b"--" + BOUNDARY + b"--\r\n"


def forms() -> list[bytes]:
    photo = photographs()[3]
    return [
        b"image/jpeg\n" + photo,
        multipart((b'name="images"; filename="a.jpg"\r\nContent-Type: image/jpeg', photo)),
        multipart((b'name="images"; filename="a.jpg"', b"..."), (b'name="format"', b"png"), (b'name="tags"', b"cat")),
        multipart((b"name=\"images\"; filename*=UTF-8''%e2%82%ac.jpg", b"...")),
        multipart((b'name="images"; filename="../../a.jpg"', b"")),
    ]


def prepare_form(folder: Path) -> Read:
    def read(content: bytes) -> object:
        kind, _, body = content.partition(b"\n")
        pieces = [body[start : start + 100] for start in range(0, len(body), 100)] or [b""]
        form = refusable(lambda: asyncio.run(form_of(kind.decode("latin-1"), pieces)))
        assert isinstance(form, Form) and form.uploads
        assert all("/" not in upload.name and upload.name.isprintable() for upload in form.uploads)
        return form

    return read


async def form_of(kind: str, pieces: list[bytes]) -> Form:
    waiting = iter(pieces)
    last = len(pieces) - 1
    numbered = enumerate(waiting)

    async def receive() -> dict[str, object]:
        index, piece = next(numbered)
        return {"type": "http.request", "body": piece, "more_body": index < last}

    request = Request({"type": "http", "method": "POST", "headers": [], "path": "/", "query_string": b""}, receive)
    return await read_form(Body(request, Limits()), kind, Limits())


def refusable(read):
    """Call a reader; a refusal is turned into an answer first, which must be possible."""
    try:
        return read()
    except TagsegError as error:
        assert 400 <= error_response(error).status_code < 500
        raise


def prepare_options(folder: Path) -> Read:
    def read(content: bytes) -> object:
        pairs = parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True)
        options = refusable(lambda: parse_options(pairs, allowed=PREDICT_OPTIONS, classes=CLASSES, limits=Limits()))
        assert isinstance(options, Options)
        assert options.background_score is None or 0 <= options.background_score <= 1
        assert all(0.25 <= scale <= 4 for scale in options.scales or ())
        return options

    return read


QUERIES = (
    b"format=json&network=segmenter&score=1",
    b"tags=cat,dog&tags=red+fox&flip=yes",
    b"scales=0.5,1,1.5&background_score=0.3",
    b"palette=safe&opacity=0.5&format=overlay",
)

READERS = (
    Reader("form", forms, prepare_form, names_file=False),
    Reader("options", lambda: list(QUERIES), prepare_options, names_file=False),
    Reader(
        "upload-name",
        lambda: [b"photo 1.jpg", "größe.png".encode(), b"a\\b.jpg"],
        lambda folder: lambda content: refusable(lambda: plain_name(content.decode("utf-8", "replace"))),
        names_file=False,
    ),
    Reader(
        "host",
        lambda: [b"localhost:8000", b"[::1]:8000", b"127.0.0.1", b"10.0.0.5:80"],
        lambda folder: lambda content: allows_host(content.decode("latin-1"), Access(hosts=("masks.example",))),
        names_file=False,
    ),
)
