"""Ground-truth masks from image files: ids of the file to label ids of the class table.

Axis legend: H height, W width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from tagseg.classes import BACKGROUND, VOID, ClassTable
from tagseg.data.mask_ids import LOSSLESS_ENDINGS, LOSSY_ENDINGS, MaskLabelError, read_ids
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.errors import DataError
from tagseg.types import LabelMap, Split

MASK_ENDINGS = LOSSLESS_ENDINGS

Meaning255 = Literal["void", "object"]
"""What 255 is in the masks of a data set: a pixel that is not scored, or the one class."""

_NO_LABEL = -1


@dataclass(frozen=True, slots=True)
class PaletteMask:
    """A mask file of ids or of VOC's colours, decoded when asked; see :func:`tagseg.data.mask_ids.read_ids`.

    Args:
        path: PNG, BMP, TIFF, GIF, lossless WebP or .npy file.
        label_ids: 256 label ids, one for each id in the file, -1 where an id stands for nothing: see :func:`label_ids`.
        meaning_255: what 255 is; None is void, but an error in a mask that holds nothing but 0 and 255: many tools
            write the object of a one-class mask as 255, and it would be scored nowhere.

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
    meaning_255: Meaning255 | None = None

    def read(self) -> LabelMap:
        """Return the (H, W) uint8 label ids.

        Raises:
            DataError: when the file is missing, damaged or of a lossy format.
            MaskLabelError: when it holds an id or a colour that stands for nothing, or nobody says what its 255 is.
        """
        stored = read_ids(self.path)
        if self.meaning_255 is None and shows_only_255(stored):
            raise ambiguous_255(self.path, stored)
        labels = np.array(self.label_ids, np.int16)[stored]
        if labels.min(initial=0) == _NO_LABEL:
            found = ", ".join(str(value) for value in np.unique(stored[labels == _NO_LABEL])[:5])
            last = max(index for index, label in enumerate(self.label_ids[:VOID]) if label != _NO_LABEL)
            raise MaskLabelError(
                f"mask {self.path} must hold ids 0 to {last} or {VOID}, got {found}",
                help="draw it again, or name the missing classes in classes.txt",
            )
        return labels.astype(np.uint8)


def shows_only_255(stored: LabelMap) -> bool:
    """Return whether ids are 0 and 255 only, with 255 among them.

    >>> [shows_only_255(np.array([ids], np.uint8)) for ids in ([0, 255], [255], [0], [0, 1, 255])]
    [True, True, False, False]
    """
    return bool((stored == VOID).any() and ((stored == VOID) | (stored == BACKGROUND)).all())


def ambiguous_255(path: Path, stored: LabelMap) -> MaskLabelError:
    """Return the error for a mask in which 255 may be void, or the one class."""
    found = " and ".join(str(value) for value in np.unique(stored))
    return MaskLabelError(
        f"mask {path} must show a class besides {VOID}, which is void, got {found} only",
        help=f"say what {VOID} is, object (the one class) or void: data.mask_255 of a recipe, or --mask-255",
    )


def with_255_as(split: Split, meaning: Meaning255 | None) -> Split:
    """Return a split whose masks know what 255 is.

    Args:
        split: its masks are :class:`PaletteMask`, or none.
        meaning: ``object`` makes 255 the one class of the data set; None leaves the split as it is.

    Raises:
        DataError: when 255 is to be the one class of several.
    """
    tables = {record.mask.label_ids for record in split.records if isinstance(record.mask, PaletteMask)}
    if meaning is None or not tables:
        return split
    (table,) = tables
    num_classes = sum(label != _NO_LABEL for label in table[1:VOID])
    if meaning == "object" and num_classes != 1:
        raise DataError(
            f"data.mask_255 = 'object' needs masks of one class, got {num_classes}",
            help=f"save each class under its own id, and {VOID} as void",
        )
    table = (*table[:VOID], table[1]) if meaning == "object" else table
    records = tuple(
        replace(record, mask=replace(record.mask, label_ids=table, meaning_255=meaning))
        if isinstance(record.mask, PaletteMask)
        else record
        for record in split.records
    )
    return replace(split, records=records)


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


def is_lossy(path: Path) -> bool:
    """Return whether the ending of a file is that of a lossy format.

    >>> is_lossy(Path("a.JPG")), is_lossy(Path("a.png"))
    (True, False)
    """
    return path.suffix.lower() in LOSSY_ENDINGS


def mask_paths(folder: Path, *, problems: list[Problem] | None = None) -> dict[str, Path]:
    """Return the mask files below a folder, by relative path without ending.

    A JPEG file stands for a mask where there is no other file of its name: the error then says that it is lossy.

    Args:
        folder: where masks lie, nested or not.
        problems: where to collect files that differ in their endings only, of which the first is taken, and files that
            are not masks; None to stop at the former.

    Returns:
        ``{"a/b": folder/a/b.png, ...}`` in order of the names; hidden files are left out.

    Raises:
        DataError: when ``problems`` is None and two files have one path without ending.

    >>> mask_paths(Path("no/such/folder"))
    {}
    """
    files = sorted(path for path in folder.rglob("*") if path.name[0] != "." and not path.is_dir())
    found: dict[str, Path] = {}
    lossy: dict[str, Path] = {}
    for path in files:
        ending = path.suffix.lower()
        name = path.relative_to(folder).with_suffix("").as_posix()
        if is_lossy(path):
            lossy.setdefault(name, path)
        elif ending not in MASK_ENDINGS:
            message = f"file {path} is left out, since a mask ends in {', '.join(MASK_ENDINGS)}"
            report_problem(Problem(ProblemKind.UNUSED_FILE, path, message, "convert it if it is a mask"), problems)
        elif name not in found:
            found[name] = path
        else:
            message = f"mask {path} must be the only file of its name, got {found[name].name} too"
            problem = Problem(ProblemKind.REPEATED_MASK, path, message, "remove one of them")
            report_problem(problem, problems)
    return dict(sorted((lossy | found).items()))
