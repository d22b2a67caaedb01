"""Files that hold the label maps of many images."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from tagseg.types import LabelMap


def write_all(
    writer: AbstractContextManager[Callable[[str, LabelMap], None]], items: Iterable[tuple[str, LabelMap]]
) -> None:
    """Add the name and label map of each image to a file that is written image by image."""
    with writer as add:
        for name, labels in items:
            add(name, labels)
