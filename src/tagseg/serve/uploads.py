"""Files and values of a form, taken apart in memory as they arrive; or one file that is the whole request.

Web frameworks spool larger files of a form to the temporary folder; here nothing is written.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from email.message import Message

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from tagseg.serve.body import Body
from tagseg.serve.limits import Limits
from tagseg.serve.refusal import RefusedError

FIELD = "images"
"""Name of the form's field with the files."""

MASKS = "masks"
"""Name of the field with the masks of an export."""

MAX_NAME = 200
"""Most characters in the name of a file."""

# The parser tells every stray byte as a warning, which Python prints where nobody listens: strangers decide how often.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())

_MAX_FIELDS, _MAX_FIELD_BYTES = 1000, 10_000
_RAW_KINDS = (b"", b"application/octet-stream")
_NAMELESS = "upload"
_HOW = "send files as curl -F images=@photo.jpg does"
_HOW_MASKS = "send files as curl -F masks=@mask.png -F images=@photo.jpg does"


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a request.

    Args:
        name: a plain file name; a label, never a path.
        data: its bytes.
    """

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """What a request sends.

    Args:
        uploads: its files, in order.
        fields: its other values, in order.
        masks: of these files, in their order, where a request has them.
    """

    uploads: list[Upload]
    fields: list[tuple[str, str]]
    masks: list[Upload] = field(default_factory=list)


async def read_form(
    body: Body,
    content_type: str | None,
    limits: Limits,
    *,
    disposition: str | None = None,
    names: tuple[str, ...] = (FIELD,),
    lost: "asyncio.Future[None] | None" = None,
) -> Form:
    """Read the files and values of a request's form, or the only file that it is.

    Args:
        body: of the request.
        content_type: its header; without one, or with that of an image or of any bytes, the body is a file.
        limits: how much, and how long.
        disposition: the header Content-Disposition, which names that file.
        names: of the fields that hold files, one of the first at least; with several the body is no file.
        lost: done when another request needs the place of this one.

    Raises:
        RefusedError: when it is something else, has no files, too many or too many bytes, breaks off, or is late.
    """
    kind, options = parse_options_header(content_type)
    if (kind in _RAW_KINDS or kind.startswith(b"image/")) and len(names) == 1:
        return await _read_raw(body, disposition, lost=lost)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        found = "one without a boundary" if kind == b"multipart/form-data" else kind.decode("latin-1")[:100]
        wanted = "multipart/form-data" if len(names) > 1 else "multipart/form-data, or that of an image"
        raise RefusedError(
            f"request has the content type {wanted}, got {found or 'none'}", help=_how(names), status=415
        )
    try:
        reader = _FormReader(boundary, limits, names)
        async for chunk in body.chunks(lost=lost):
            reader.write(chunk)
        return reader.form()
    except FormParserError as error:
        raise RefusedError(
            "form of a request must be whole, got one that cannot be parsed", help=_how(names)
        ) from error


async def _read_raw(body: Body, disposition: str | None, *, lost: "asyncio.Future[None] | None") -> Form:
    """Read a request that is a file."""
    named = Message()
    named["Content-Disposition"] = disposition or ""
    name = plain_name(named.get_filename("")) or _NAMELESS
    data = bytearray()
    async for chunk in body.chunks(lost=lost):
        data += chunk
    if not data:
        raise RefusedError("request has a file, got an empty body", help=_HOW)
    return Form([Upload(name, bytes(data))], [])


def plain_name(name: str) -> str:
    """Return the name of an upload, which labels what is made of it.

    Raises:
        RefusedError: when it has folders in it, characters that cannot be printed, or is too long.

    >>> plain_name("holiday 1.jpg")
    'holiday 1.jpg'
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    if last != name or name in (".", ".."):
        raise RefusedError(
            f"file name of an upload has no folders, got '{_printable(name)}'",
            help=f"send the file as '{_printable(last)}'" if last.strip(". ") else "send the file under a plain name",
        )
    if not name.isprintable():
        raise RefusedError(
            f"file name of an upload has printable characters only, got '{_printable(name)}'", help="rename the file"
        )
    if len(name) > MAX_NAME:
        raise RefusedError(
            f"file name of an upload has at most {MAX_NAME} characters, got {len(name)}", help="rename the file"
        )
    return name


def _how(names: tuple[str, ...]) -> str:
    return _HOW if names == (FIELD,) else _HOW_MASKS


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:MAX_NAME])


class _FormReader:
    """Collects the parts of a form from its bytes, in whatever pieces these come."""

    def __init__(self, boundary: bytes, limits: Limits, names: tuple[str, ...]) -> None:
        self._limits = limits
        self._names = names
        self._files: dict[str, list[Upload]] = {name: [] for name in names}
        self._fields: list[tuple[str, str]] = []
        self._headers: dict[bytes, bytes] = {}
        self._header_name, self._header_value, self._data = bytearray(), bytearray(), bytearray()
        self._name, self._file_name = "", None
        self._is_whole = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._add,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def write(self, chunk: bytes) -> None:
        self._parser.write(chunk)

    def form(self) -> Form:
        """Return what has come."""
        if not self._is_whole:
            raise RefusedError("form of a request must be whole, got one that breaks off", help="send it again")
        if not self._files[self._names[0]]:
            raise RefusedError(
                f"request has at least one file in the form's field '{self._names[0]}', got none",
                help=_how(self._names),
            )
        return Form(self._files[FIELD], self._fields, self._files.get(MASKS, []))

    def _begin(self) -> None:
        self._headers.clear()
        self._data = bytearray()

    def _end_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = options.get(b"name", b"").decode("utf-8", errors="replace")
        name = options.get(b"filename")
        self._file_name = None if name is None else name.decode("utf-8", errors="replace")
        if self._file_name is None:
            return
        if self._name not in self._names:
            fields = f"field{'s' * (len(self._names) > 1)} {' and '.join(map(repr, self._names))}"
            raise RefusedError(
                f"files are in the form's {fields}, got one in '{_printable(self._name)}'", help=_how(self._names)
            )
        if len(self._files[self._name]) == self._limits.files:
            what = "files" if len(self._names) == 1 else self._name
            raise RefusedError(
                f"request has at most {self._limits.files} {what}, got more",
                help="send them in several requests",
                status=413,
            )
        plain_name(self._file_name)  # before its bytes are read

    def _add(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]
        if self._file_name is None and len(self._data) > _MAX_FIELD_BYTES:
            raise RefusedError(
                f"value of a form has at most {_MAX_FIELD_BYTES} bytes, got more", help=_how(self._names), status=413
            )

    def _end(self) -> None:
        if self._file_name is not None:
            self._files[self._name].append(Upload(self._file_name or _NAMELESS, bytes(self._data)))
        elif len(self._fields) == _MAX_FIELDS:
            raise RefusedError(f"form has at most {_MAX_FIELDS} values, got more", help=_how(self._names), status=413)
        else:
            self._fields.append((self._name, self._data.decode("utf-8", errors="replace")))
        self._data = bytearray()

    def _finish(self) -> None:
        self._is_whole = True
