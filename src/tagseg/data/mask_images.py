"""Ground-truth masks from image files: ids of the file to label ids of the class table.

Axis legend: H height, W width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagseg.classes import BACKGROUND, VOID, ClassTable, voc_color
from tagseg.data.image_files import damaged_file, open_image
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.errors import DataError
from tagseg.types import LabelMap

MASK_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".gif")
_LOSSLESS_FORMATS = ("PNG", "BMP", "TIFF", "GIF")
_NO_LABEL = -1


class MaskLabelError(DataError):
    """A mask holds an id or a colour that stands for no class."""


@dataclass(frozen=True, slots=True)
class PaletteMask:
    """A mask file of palette or grey ids, or of VOC's colours, decoded when asked.

    Of a palette image the indices count, never the colours; a grey image holds the ids as values; of an RGB image each
    colour is looked up in VOC's palette. The pixels are taken as stored: a mask is not turned by EXIF.

    Args:
        path: PNG, BMP, TIFF or GIF file.
        label_ids: 256 label ids, one for each id in the file, -1 where an id stands for nothing: see :func:`label_ids`.

    >>> import tempfile
    >>> from PIL import Image as PillowImage
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.png")
    ...     PillowImage.fromarray(np.array([[0, 1, 2, 255]], np.uint8)).save(path)
    ...     PaletteMask(path, label_ids(("cat", "dog"), ClassTable(("dog",)))).read().tolist()
    [[0, 0, 1, 255]]
    """

    path: Path
    label_ids: tuple[int, ...] = field(repr=False)

    def read(self) -> LabelMap:
        """Return the (H, W) uint8 label ids.

        Raises:
            DataError: when the file is missing, damaged or of a lossy format.
            MaskLabelError: when it holds an id or a colour that stands for nothing.
        """
        stored = _read_ids(self.path)
        labels = np.array(self.label_ids, np.int16)[stored]
        if labels.min(initial=0) == _NO_LABEL:
            found = ", ".join(str(value) for value in np.unique(stored[labels == _NO_LABEL])[:5])
            last = max(index for index, label in enumerate(self.label_ids[:VOID]) if label != _NO_LABEL)
            raise MaskLabelError(
                f"mask {self.path} must hold ids 0 to {last} or {VOID}, got {found}",
                help="draw it again, or name the missing classes in classes.txt",
            )
        return labels.astype(np.uint8)


def label_ids(names_in_file: Sequence[str], classes: ClassTable) -> tuple[int, ...]:
    """Return the label id of each id 0..255 that a mask file can hold.

    0 stays background and 255 stays void; id ``i`` is ``names_in_file[i - 1]``: its label id in the class table, or
    background when the table leaves it out; further ids stand for nothing.

    Args:
        names_in_file: every class name of the data set, in the order of the ids in its masks, at most 254.
        classes: the classes to learn.

    Returns:
        256 label ids, -1 for nothing; made once for a data set and shared by its masks.

    >>> label_ids(("cat", "cow", "dog"), ClassTable(("dog", "cat")))[:5]
    (0, 2, 0, 1, -1)
    """
    table = [_NO_LABEL] * 256
    table[0], table[VOID] = BACKGROUND, VOID
    for index, name in enumerate(names_in_file, start=1):
        table[index] = classes.label_id(name) if name in classes.names else BACKGROUND
    return tuple(table)


def _read_ids(path: Path) -> LabelMap:
    """Return the (H, W) uint8 ids as they are stored."""
    with open_image(path, kind="mask", formats=_LOSSLESS_FORMATS) as image:
        try:
            image.load()
            if image.mode in ("P", "L", "1"):
                return np.asarray(image).astype(np.uint8)
            if image.mode in ("RGB", "RGBA"):
                return _ids_of_colors(path, np.asarray(image.convert("RGB")))
        except DataError:
            raise
        except Exception as error:  # decoders raise almost anything on damaged bytes
            raise damaged_file("mask", path, image.format) from error
        raise DataError(
            f"mask {path} must be a palette, 8-bit grey or VOC-coloured image, got Pillow mode {image.mode}",
            help="save it as a palette PNG whose indices are the ids",
        )


def _ids_of_colors(path: Path, colors: NDArray[np.uint8]) -> LabelMap:
    """Return the id of each pixel's colour in VOC's palette."""
    known, ids = _voc_colors()
    packed = _pack(colors)
    position = np.minimum(np.searchsorted(known, packed), len(known) - 1)
    unknown = known[position] != packed
    if unknown.any():
        red, green, blue = colors[unknown][0].tolist()
        raise MaskLabelError(
            f"mask {path} must hold the colours of VOC's palette, got ({red}, {green}, {blue})",
            help="save it as a palette PNG whose indices are the ids",
        )
    return ids[position]


@cache
def _voc_colors() -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return VOC's 256 colours, packed and ascending, and their ids."""
    packed = _pack(np.array([voc_color(index) for index in range(256)], np.uint8))
    order = np.argsort(packed)
    return packed[order], order.astype(np.uint8)


def _pack(colors: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return one integer for each RGB triple."""
    return colors.astype(np.int64) @ np.array([65536, 256, 1])


def mask_paths(folder: Path, *, problems: list[Problem] | None = None) -> dict[str, Path]:
    """Return the mask files below a folder, by relative path without ending.

    Args:
        folder: where masks lie, nested or not.
        problems: where to collect files that differ in their endings only, of which the first is taken; None to stop
            at them.

    Returns:
        ``{"a/b": folder/a/b.png, ...}`` in order of the names; hidden files are left out.

    Raises:
        DataError: when ``problems`` is None and two files have one path without ending.

    >>> mask_paths(Path("no/such/folder"))
    {}
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MASK_ENDINGS and path.name[0] != ".")
    found: dict[str, Path] = {}
    for path in files:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name not in found:
            found[name] = path
            continue
        message = f"mask {path} must be the only file of its name, got {found[name].name} beside it"
        problem = Problem(ProblemKind.REPEATED_MASK, path, message, "remove one of them")
        report_problem(problem, problems)
    return found
