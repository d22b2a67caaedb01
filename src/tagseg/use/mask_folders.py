"""Folders of masks that any tool made, file by file: names with a suffix, ids of another numbering, what 255 is."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagseg.classes import BACKGROUND, VOID
from tagseg.data.id_names import NO_LABEL, class_names, label_table, read_id_names, require_named
from tagseg.data.mask_ids import MaskLabelError, read_ids
from tagseg.data.mask_images import (
    MASK_ENDINGS,
    Meaning255,
    ambiguous_255,
    is_lossy,
    mask_paths,
    shows_only_255,
)
from tagseg.data.names import composed
from tagseg.errors import DataError
from tagseg.progress import Progress
from tagseg.system.near_paths import near_path_help
from tagseg.types import LabelMap

_AS_STORED = tuple(range(256))  # every id of a file is a label id; the confusion matrix knows which ones there are
_OBJECT_255 = (*range(VOID), 1)


@dataclass(frozen=True, slots=True)
class FolderReading:
    """How the files of two folders are paired and read.

    Args:
        allow_missing: whether masks without a prediction are left out and counted; else they are an error.
        mask_255: what 255 is: ``void``, or ``object``, the one class, in masks and predictions; None is void, but an
            error where a mask holds 0 and 255 only and no mask shows both a class and 255.
        suffix: what names end in before their ending, such as ``_mask``, with the ending or without. In a folder that
            has such files the others are not looked at.
        ids: JSON file of the names of the predictions' ids, see :func:`tagseg.data.id_names.read_id_names`; None where
            they are numbered as the classes.
        mask_ids: the same of the masks.

    Raises:
        DataError: when two of them do not go together.
    """

    allow_missing: bool = False
    mask_255: Meaning255 | None = None
    suffix: str = ""
    ids: Path | None = None
    mask_ids: Path | None = None

    def __post_init__(self) -> None:
        if self.mask_255 == "object" and (self.ids or self.mask_ids):
            raise DataError(
                "255 as the object goes without files of ids, got both", help='name 255 in the file: "255": "cat"'
            )
        if self.suffix and not self.stem_suffix:
            raise DataError(
                f"suffix is what names have before their ending, such as _mask, got '{self.suffix}'",
                help="leave it out: any ending of a mask is read",
            )

    @property
    def stem_suffix(self) -> str:
        """The suffix without the ending of a file."""
        ending = next((ending for ending in MASK_ENDINGS if self.suffix.lower().endswith(ending)), "")
        return self.suffix[: len(self.suffix) - len(ending)]


@dataclass(frozen=True, slots=True)
class Numbering:
    """What the ids in the files of the two folders stand for.

    Args:
        classes: of the labels 1, 2, and so on; None where nobody names them.
        found: label id of each id in a prediction, -1 for nothing.
        truth: label id of each id in a mask, -1 for nothing.
        says_255: whether a file says what the ids of the masks are: 255 is void there unless it is named.
    """

    classes: tuple[str, ...] | None
    found: tuple[int, ...] = _AS_STORED
    truth: tuple[int, ...] = _AS_STORED
    says_255: bool = False


def settle_numbering(reading: FolderReading, classes: tuple[str, ...] | None, *, progress: Progress) -> Numbering:
    """Return what the ids in two folders stand for.

    Args:
        reading: names the files of ids.
        classes: with both files of ids, the classes to score, in any order: every other one is background, and None is
            all those of the masks. Else the names of the ids 1, 2, and so on of the folder without a file of ids.
        progress: is told which names count as background, and which classes have no id in a prediction.

    Raises:
        DataError: when a file of ids cannot be read, or classes are missing.
    """
    if reading.mask_255 == "object":
        return Numbering(_one_class(classes), _OBJECT_255, _OBJECT_255)
    found = read_id_names(reading.ids) if reading.ids else None
    truth = read_id_names(reading.mask_ids) if reading.mask_ids else None
    if found is None and truth is None:
        return Numbering(classes)
    if classes is None and (found is None or truth is None):
        have, need = ("predictions", "masks") if truth is None else ("masks", "predictions")
        raise DataError(
            f"a file of ids of the {have} takes the names of the {need}' ids 1, 2, and so on, got none",
            help=f"name the classes in that order, or give the file of ids of the {need} too",
        )
    names = class_names(truth or {}) if classes is None else classes
    if reading.mask_ids and truth is not None:
        require_named(reading.mask_ids, truth, names)
    for path, known in ((reading.ids, found), (reading.mask_ids, truth)):
        if path and known is not None:
            _tell_unscored(path, known, names, progress=progress)
    return Numbering(
        names,
        _AS_STORED if found is None else label_table(found, names),
        _AS_STORED if truth is None else label_table(truth, names),
        truth is not None,
    )


def _tell_unscored(path: Path, known: dict[int, str], names: tuple[str, ...], *, progress: Progress) -> None:
    """Say which names of a file of ids are not scored, and which classes it lacks."""
    others = [name for name in class_names(known) if name not in names]
    lacking = [name for name in names if name not in known.values()]
    if len(lacking) == len(names):
        raise DataError(
            f"file of ids {path} must name a class to score, got {_listed(others) or 'no class'}",
            help=f"write the names as they are here: {', '.join(names)}",
        )
    if lacking:
        progress.warn(f"{path.name} has no id of {_listed(lacking)}: no pixel of a prediction is that")
    if others:
        progress.note(f"{path.name}: counted as background: {_listed(others)}")


def _listed(names: list[str], *, most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def find_masks(folder: Path, what: str, *, stem_suffix: str = "") -> dict[str, Path]:
    """Return the image files of ids below a folder by their path without ending and suffix, its accents composed.

    Args:
        folder: nested or not.
        what: is in it, for people.
        stem_suffix: is taken off; where no file has it, all files count as they are.

    Raises:
        DataError: when there is no file of ids.
    """
    if not folder.is_dir():
        raise DataError(
            f"folder of {what} {folder} must exist, got no such folder",
            help=near_path_help(folder, "correct the path", wanted=os.path.isdir),
        )
    files = mask_paths(folder)
    if stem_suffix:
        ended = {name: path for name, path in files.items() if _has_suffix(name, stem_suffix)}
        files = {name.removesuffix(stem_suffix): path for name, path in ended.items()} or files
    if all(map(is_lossy, files.values())):
        found = "JPEG files only, which are lossy" if files else "none"
        raise DataError(
            f"folder of {what} {folder} must hold files that end in {', '.join(MASK_ENDINGS)}, got {found}",
            help="name the folder that holds them, or save them as palette PNG",
        )
    return {composed(name): path for name, path in files.items()}


def _has_suffix(name: str, stem_suffix: str) -> bool:
    """Return whether the name of a file ends in the suffix, and has more than that."""
    return name.endswith(stem_suffix) and name.rpartition("/")[2] != stem_suffix


def read_pair(prediction: Path, mask: Path, numbering: Numbering) -> tuple[LabelMap, LabelMap]:
    """Return the label maps of a prediction and of its mask.

    Raises:
        DataError: when one cannot be read, holds an id without a name, or they do not fit.
    """
    labels, truth = _labels(prediction, numbering.found), _labels(mask, numbering.truth)
    if labels.shape != truth.shape:
        raise DataError(
            f"prediction {prediction} must have the size of its mask {truth.shape}, got {labels.shape}",
            help="check that both belong to the same upright image",
        )
    unlabelled = int(((labels == VOID) & (truth != VOID)).sum())
    if unlabelled:
        raise DataError(
            f"prediction {prediction} must have a label wherever its mask has one, got {VOID} (void) in "
            f"{unlabelled:,} such pixels",
            help="fill them with a label, such as 0 for background",
        )
    return labels, truth


def _labels(path: Path, table: tuple[int, ...]) -> LabelMap:
    """Return the label ids of a file."""
    stored = read_ids(path)
    labels = np.array(table, np.int16)[stored]
    if labels.min(initial=BACKGROUND) == NO_LABEL:
        found = ", ".join(str(value) for value in np.unique(stored[labels == NO_LABEL])[:5])
        raise MaskLabelError(
            f"mask {path} must hold ids that its file of ids names, got {found}", help="add these ids to the file"
        )
    return labels.astype(np.uint8)


def _one_class(classes: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the name of the one class that 255 is."""
    if classes is not None and len(classes) != 1:
        raise DataError(
            f"a mask in which 255 is the object has one class, got {len(classes)}",
            help="name one class, or save each under its own id",
        )
    return classes or ("label 1",)


class Meant255:
    """Whether the masks of a folder say that 255 is void, and not the class.

    Args:
        is_clear: whether somebody said what it is.
    """

    def __init__(self, *, is_clear: bool) -> None:
        self._is_clear = is_clear
        self._doubtful: tuple[Path, LabelMap] | None = None

    def look_at(self, path: Path, truth: LabelMap) -> None:
        """Look at the ids of one more mask."""
        if shows_only_255(truth):
            self._doubtful = self._doubtful or (path, truth)
        elif (truth == VOID).any():
            self._is_clear = True  # beside a class it is void

    def require_clear(self) -> None:
        """Raise when a mask holds 255 and no class, and no other mask tells what that is."""
        if self._doubtful and not self._is_clear:
            raise ambiguous_255(*self._doubtful)
