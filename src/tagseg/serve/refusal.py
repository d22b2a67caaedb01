"""What a request is refused with: one sentence, a next move, and the status code that goes with both."""

import json
from collections.abc import Mapping

from starlette.responses import Response

from tagseg.errors import DataError, ImageFormatError, ImageSizeError, RecipeError, ServeError, TagsegError, printable

_STATUS_BY_KIND = ((ImageFormatError, 415), (ImageSizeError, 413), (DataError, 422), (RecipeError, 400))


class RefusedError(ServeError):
    """A request is not answered.

    Args:
        problem: as in every error.
        help: the next move.
        status: HTTP's code for it.
        headers: further ones of the answer.

    >>> RefusedError("upload must not be empty, got 0 bytes", help="choose a file").status
    400
    """

    def __init__(self, problem: str, *, help: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem, help=help)
        self.status = status
        self.headers = dict(headers or {})


def status_of(error: TagsegError) -> int:
    """Return HTTP's code for an error: that of a refusal, of a file that cannot be used, or 500.

    >>> status_of(ImageFormatError("a", help="b")), status_of(TagsegError("a", help="b"))
    (415, 500)
    """
    if isinstance(error, RefusedError):
        return error.status
    return next((status for kind, status in _STATUS_BY_KIND if isinstance(error, kind)), 500)


def error_response(error: TagsegError) -> Response:
    """Return the answer to a request that ended in an error."""
    headers = error.headers if isinstance(error, RefusedError) else {}
    return json_response(
        {"error": printable(error.problem), "help": printable(error.help)}, status=status_of(error), headers=headers
    )


def json_response(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON with a line break at its end, which terminals like."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    return Response(f"{text}\n", status_code=status, media_type="application/json", headers=dict(headers or {}))
