"""How many pixels of each image show each label, as a CSV file that spreadsheets open."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tagseg.artifacts.spreadsheet import as_cell
from tagseg.classes import VOID, ClassTable
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_path
from tagseg.types import LabelMap

COLUMNS = ("image", "class", "pixels", "share_of_image")


def label_areas(labels: LabelMap, classes: ClassTable, *, name: str) -> dict[int, int]:
    """Return the pixels of every label that occurs, by label id, ascending.

    Args:
        labels: (H, W) label ids: 0 background, 1..C, 255 void.
        classes: the class table that the ids belong to.
        name: of the image, for the error.

    Raises:
        ArtifactError: when an id belongs to no class.

    >>> label_areas(np.array([[0, 2, 2]], np.uint8), ClassTable(("cat", "dog")), name="photo.jpg")
    {0: 1, 2: 2}
    """
    areas = np.bincount(labels.ravel(), minlength=256)
    strange = np.flatnonzero(areas[classes.num_labels : VOID])
    if strange.size:
        raise ArtifactError(
            f"label map of {name} holds label ids 0..{classes.num_classes} and {VOID}, "
            f"got {classes.num_labels + strange[0]}",
            help="write it with the class table that made it",
        )
    return {label: int(areas[label]) for label in np.flatnonzero(areas).tolist()}


@contextmanager
def area_writer(path: Path, classes: ClassTable) -> Iterator[Callable[[str, LabelMap], None]]:
    """Lend a function that adds one image; when the block ends well, the file of all images appears.

    A row holds an image, a label (``background``, a class, or ``void``), its pixels, and these divided by all pixels of
    the image. Labels without pixels have no row, so a reader takes 0 for them. Names of images and classes that a
    spreadsheet would take for formulas have a ``'`` in front; see :mod:`tagseg.artifacts.spreadsheet`.

    Args:
        path: the ``.csv`` file.
        classes: the class table that the ids belong to.

    Raises:
        ArtifactError: when an id belongs to no class, or the file cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "areas.csv"
    >>> with area_writer(path, ClassTable(("cat",))) as add:
    ...     add("photo.jpg", np.array([[0, 0, 0, 1]], np.uint8))
    >>> path.read_text().split()
    ['image,class,pixels,share_of_image', 'photo.jpg,background,3,0.75', 'photo.jpg,cat,1,0.25']
    """
    # File names may hold bytes that are not text, which UTF-8 cannot hold either.
    with (
        atomic_path(path) as temporary,
        temporary.open("x", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)

        def add(name: str, labels: LabelMap) -> None:
            for label, pixels in label_areas(labels, classes, name=name).items():
                shown = "void" if label == VOID else classes.name(label)
                writer.writerow((as_cell(name), as_cell(shown), pixels, repr(pixels / labels.size)))

        yield add
