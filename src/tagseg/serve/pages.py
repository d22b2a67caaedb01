"""The page and its files, read from the package once and served from memory."""

from functools import cache
from importlib.resources import files

from starlette.responses import Response

from tagseg.serve.refusal import RefusedError

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def page_response(name: str) -> Response:
    """Return a file of the page.

    Args:
        name: of a file in ``static``, or ``theme.js``; only these names exist, so no name can lead elsewhere.

    Raises:
        RefusedError: when there is no such file.
    """
    found = _static_files().get(name)
    if found is None:
        raise no_such_page()
    kind, content = found
    return Response(content, media_type=kind)


def no_such_page() -> RefusedError:
    """Return the error for an address that does not exist."""
    return RefusedError(
        "address is one of this server's, got another one", help="open / for the page or /docs for programs", status=404
    )


@cache
def _static_files() -> dict[str, tuple[str, bytes]]:
    found = {}
    theme = files("tagseg.report").joinpath("templates", "theme.js")  # reports and the app look alike
    for file in (*files("tagseg.serve").joinpath("static").iterdir(), theme):
        kind = _KINDS.get(f".{file.name.rpartition('.')[2]}")
        if kind is not None:
            found[file.name] = (kind, file.read_bytes())
    return found
