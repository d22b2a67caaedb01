"""Masks that a person corrected, in the place of pseudo masks: found by the names of photographs, and checked."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tagseg.classes import VOID, ClassTable
from tagseg.data.images import image_size
from tagseg.data.mask_ids import MaskLabelError, read_ids
from tagseg.data.mask_images import Meaning255, PaletteMask, label_ids, mask_paths
from tagseg.data.names import composed, read_class_names
from tagseg.data.seen_files import read_truth, stamp_of
from tagseg.errors import DataError
from tagseg.system.near_paths import near_path_help
from tagseg.types import ImageRecord, Split

CLASS_LIST = "classes.txt"

_BELOW = ("SegmentationClass", "masks")
"""Sub-folders that masks of VOC's and CVAT's layout, and of format ``ids``, lie in."""


@dataclass(frozen=True, slots=True)
class Corrections:
    """The corrected masks of a folder.

    Args:
        records: the training photographs that have one, sorted by ``image_id``, with it as their mask.
        fingerprint: name of what the masks show; empty without any.
    """

    records: tuple[ImageRecord, ...] = ()
    fingerprint: str = ""


NO_CORRECTIONS = Corrections()


def read_corrections(folder: Path, split: Split, *, meaning_255: Meaning255 | None = None) -> Corrections:
    """Decode the corrections of a folder once and check that each fits its photograph.

    Ids in the masks are lines of ``classes.txt`` in the folder, found by name among the classes of the run. Without
    such a file they are those of the run. A class that the run does not know may be listed, but not shown.

    Args:
        folder: of masks named like photographs; with a sub-folder ``SegmentationClass`` or ``masks`` they lie there.
        split: the training photographs.
        meaning_255: see :class:`tagseg.data.mask_images.PaletteMask`.

    Raises:
        DataError: when there is none, or one has the name of no photograph, another size, or an id of no class.
    """
    paths = correction_paths(folder, split.records)
    listed = folder / CLASS_LIST
    names = read_class_names(listed) if listed.is_file() else split.classes.names
    table = label_ids(names, split.classes)
    if meaning_255 == "object" and split.classes.num_classes == 1:
        table = (*table[:VOID], 1)
    digest, records = hashlib.sha256(), []
    for record in split.records:
        if (path := paths.get(record.image_id)) is None:
            continue
        _require_known(path, names, split.classes)
        mask = PaletteMask(path, table, meaning_255)
        corrected = replace(record, mask=mask, seen=(*record.seen[:1], stamp_of(path)))
        labels = read_truth(corrected)
        if labels.shape != (size := image_size(record.image_path)):
            raise DataError(
                f"correction {path} has the size of its photograph, {_text(size)}, got {_text(labels.shape)}",
                help="save it in the size of the photograph, or remove it",
            )
        digest.update(repr((record.image_id, hashlib.sha256(labels.tobytes()).hexdigest())).encode())
        records.append(corrected)
    return Corrections(tuple(records), digest.hexdigest()[:16])


def mask_folder(folder: Path) -> Path:
    """Return where the masks of a folder of corrections lie: a sub-folder of a known name, or the folder itself."""
    return next((folder / name for name in _BELOW if (folder / name).is_dir()), folder)


def correction_paths(folder: Path, records: Sequence[ImageRecord]) -> dict[str, Path]:
    """Return the mask files of a folder by the ``image_id`` of their photographs; none is decoded.

    A mask is named like its photograph, with or without the photograph's ending: ``a.png`` or ``a.jpg.png``.

    Args:
        folder: see :func:`read_corrections`.
        records: the training photographs.

    Raises:
        DataError: when there is no such folder, no mask in it, or one that fits no photograph.
    """
    if not folder.is_dir():
        help = near_path_help(folder, "correct segmenter.corrections", wanted=os.path.isdir)
        raise DataError(f"folder {folder} of corrections must exist, got no such folder", help=help)
    below = mask_folder(folder)
    files = mask_paths(below)
    if not files:
        raise DataError(
            f"folder {below} of corrections must hold masks, got none",
            help="save masks there under the names of their photographs, or leave segmenter.corrections out",
        )
    ids = {composed(f"{record.image_id}{record.image_path.suffix}"): record.image_id for record in records}
    ids |= {composed(record.image_id): record.image_id for record in records}
    found: dict[str, Path] = {}
    for name, path in files.items():
        image_id = ids.get(composed(name))
        if image_id is None:
            raise DataError(
                f"correction {path} has the name of a training photograph, got a name that fits none",
                help="rename it like its photograph, or remove it",
            )
        if image_id in found:
            raise DataError(
                f"correction {path} is the only one of its photograph, got {found[image_id].name} too",
                help="remove one of them",
            )
        found[image_id] = path
    return found


def _require_known(path: Path, names: Sequence[str], classes: ClassTable) -> None:
    """Refuse a mask that shows a listed class that the run does not know: as background it would teach a mistake."""
    unknown = {index: name for index, name in enumerate(names, start=1) if name not in classes.names}
    shown = [unknown[index] for index in np.unique(read_ids(path)).tolist() if index in unknown] if unknown else []
    if shown:
        raise MaskLabelError(
            f"correction {path} shows classes of the run ({', '.join(classes.names)}), got '{shown[0]}'",
            help=f"correct the name in {CLASS_LIST}, or draw these pixels as background, id 0",
        )


def _text(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))
