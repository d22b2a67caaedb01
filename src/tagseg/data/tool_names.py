"""What annotation tools call a photograph: a path, an address, or an upload with letters of the tool in front."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from tagseg.data.names import composed, composed_path

_SERVED, _LOCAL, _UPLOADS = "/data/", "?d=", "/data/upload/"
_BEFORE_UPLOADS = re.compile(r"^[0-9a-f]{8}-")
_NOT_KEPT = re.compile(r"[^-\w.]")


def name_spellings(name: str) -> Iterator[str]:
    """Yield the relative paths that the name of a photograph in a tool's file may mean, the fullest first.

    A name is a path. Of an address, and of what Label Studio serves, every end of its path may be the photograph's:
    nobody knows how much of it is the tool's. Of an upload to Label Studio so is what follows the eight letters that
    it puts before a name.

    >>> list(name_spellings("dogs/a.jpg")), list(name_spellings("/data/local-files/?d=photos/a%20b.jpg"))
    (['dogs/a.jpg'], ['photos/a b.jpg', 'a b.jpg'])
    >>> list(name_spellings("/data/upload/1/0a1b2c3d-a_b.jpg"))
    ['upload/1/0a1b2c3d-a_b.jpg', '1/0a1b2c3d-a_b.jpg', '0a1b2c3d-a_b.jpg', 'a_b.jpg']
    """
    path = _path_of_address(name)
    if path is None:
        yield composed_path(name)
        return
    parts = PurePosixPath(composed(path)).parts
    yield from ("/".join(parts[start:]) for start in range(len(parts)))
    if _UPLOADS in name and parts and _BEFORE_UPLOADS.match(parts[-1]):
        yield _BEFORE_UPLOADS.sub("", parts[-1])


def uploaded_name(name: str) -> str:
    """Return what Label Studio keeps of a file's name at an upload: blanks become ``_``, other signs go.

    >>> uploaded_name("my dog (1).jpg")
    'my_dog_1.jpg'
    """
    return _NOT_KEPT.sub("", name.strip().replace(" ", "_"))


def _path_of_address(name: str) -> str | None:
    """Return the path in an address without its first ``/``, None of a name that is none."""
    if name.startswith(_SERVED) and _LOCAL in name:
        return unquote(name.partition(_LOCAL)[2]).lstrip("/")
    if "://" not in name and not name.startswith(_UPLOADS):
        return None
    try:
        parts = urlsplit(name)
    except ValueError:
        return None
    of_file = parts.query.removeprefix(_LOCAL[1:]) if parts.query.startswith(_LOCAL[1:]) else parts.path
    return unquote(of_file).removeprefix(_SERVED).lstrip("/")
