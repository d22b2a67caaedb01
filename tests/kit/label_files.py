"""Files that hold the label maps of many images."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tagseg.artifacts.coco_file import coco_stream
from tagseg.classes import ClassTable
from tagseg.types import LabelMap


@contextmanager
def coco_file(path: Path, classes: ClassTable) -> Iterator[Callable[[str, LabelMap], None]]:
    """Lend a function that adds one image to a COCO file, as the app's answer holds it."""
    with path.open("w", encoding="ascii") as file, coco_stream(file, classes) as add:
        yield add


def write_all(
    writer: AbstractContextManager[Callable[[str, LabelMap], None]], items: Iterable[tuple[str, LabelMap]]
) -> None:
    """Add the name and label map of each image to a file that is written image by image."""
    with writer as add:
        for name, labels in items:
            add(name, labels)
