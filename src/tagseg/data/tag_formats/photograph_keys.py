"""Which value of an entry of a tool's file names its photograph, and which its tags."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from tagseg.classes import is_text
from tagseg.data.image_formats import IMAGE_ENDINGS, PICTURE_ENDINGS
from tagseg.data.tag_cells import IMAGE_COLUMNS


def photograph_of(entry: object) -> str | None:
    """Return the name of the photograph of an entry: the value of a key such as ``image``, else the first picture.

    >>> photograph_of({"text": "a dog", "photo": "/data/upload/1/a.jpg"}), photograph_of({"text": "a dog"})
    ('/data/upload/1/a.jpg', None)
    """
    if not isinstance(entry, Mapping):
        return None
    texts = {str(key).lower(): value for key, value in entry.items() if isinstance(value, str) and is_text(value)}
    named = next((texts[key] for key in IMAGE_COLUMNS if texts.get(key)), None)
    return named or next((value for value in texts.values() if _is_picture(value)), None)


def _is_picture(value: str) -> bool:
    ending = PurePosixPath(value.partition("?d=")[2] or value.partition("?")[0]).suffix.lower()
    return ending in IMAGE_ENDINGS or ending in PICTURE_ENDINGS
