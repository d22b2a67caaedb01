"""Files that hold the label maps of many images."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tagseg.classes import ClassTable
from tagseg.types import LabelMap
from tagseg.use.label_files import FormatChoice, label_files


@contextmanager
def coco_file(folder: Path, classes: ClassTable) -> Iterator[Callable[[str, LabelMap], None]]:
    """Lend a function that adds one image to the file `annotations.json` in a folder, with every part and corner."""
    choice = FormatChoice("coco", min_area_px=0, tolerance_px=0.0)
    with label_files(folder, choice, classes, title="Labels", split="test") as (files, _):
        yield lambda name, labels: files.add(Path(name).stem, Path(name), labels)


def write_all(
    writer: AbstractContextManager[Callable[[str, LabelMap], None]], items: Iterable[tuple[str, LabelMap]]
) -> None:
    """Add the name and label map of each image to a file that is written image by image."""
    with writer as add:
        for name, labels in items:
            add(name, labels)
