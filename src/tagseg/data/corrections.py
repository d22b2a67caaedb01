"""Masks that a person corrected, in the place of pseudo masks: found by the names of photographs, and checked."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tagseg.classes import VOID, ClassTable
from tagseg.data.images import image_size
from tagseg.data.mask_formats.find_masks import find_masks
from tagseg.data.mask_formats.found_masks import Drawing, FoundMasks, ToolMask, image_of, named_photographs
from tagseg.data.mask_formats.id_masks import IdPicture, folder_of_pictures
from tagseg.data.mask_ids import MaskLabelError
from tagseg.data.mask_images import Meaning255, PaletteMask, label_ids
from tagseg.data.seen_files import read_truth, stamp_of
from tagseg.errors import DataError
from tagseg.system.near_paths import near_path_help
from tagseg.types import ImageRecord, Split


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


def read_corrections(place: Path, split: Split, *, meaning_255: Meaning255 | None = None) -> Corrections:
    """Decode corrections once and check that each fits its photograph.

    Classes are found by name among those of the run. Ids in masks beside which nothing names them are those of the run.
    A class that the run does not know may be listed, but not shown.

    Args:
        place: a folder or file of masks, see ``data/mask_formats``.
        split: the training photographs.
        meaning_255: see :class:`tagseg.data.mask_images.PaletteMask`.

    Raises:
        DataError: when there is none, or one has the name of no photograph, another size, or an id of no class.
    """
    found = _found_masks(place, split.classes)
    drawings = _drawings(found, split.records)
    table = label_ids(found.classes, split.classes)
    if meaning_255 == "object" and split.classes.num_classes == 1:
        table = (*table[:VOID], 1)
    digest, records = hashlib.sha256(), []
    for record in split.records:
        if (drawing := drawings.get(record.image_id)) is None:
            continue
        _require_known(drawing, record, found, split.classes)
        mask = ToolMask(drawing, record.image_path, table)
        if isinstance(drawing, IdPicture):
            mask = PaletteMask(drawing.path, table, meaning_255)
        corrected = replace(record, mask=mask, seen=(*record.seen[:1], stamp_of(drawing.path)))
        labels = read_truth(corrected)
        if labels.shape != (size := image_size(record.image_path)):
            raise DataError(
                f"correction {drawing} has the size of its photograph, {_text(size)}, got {_text(labels.shape)}",
                help="save it in the size of the photograph, or remove it",
            )
        digest.update(repr((record.image_id, hashlib.sha256(labels.tobytes()).hexdigest())).encode())
        records.append(corrected)
    return Corrections(tuple(records), digest.hexdigest()[:16])


def corrected_photographs(place: Path, split: Split) -> frozenset[str]:
    """Return the ``image_id`` of the photographs that have a correction; none is decoded.

    A mask is named like its photograph, with or without the photograph's ending: ``a.png`` or ``a.jpg.png``.

    Args:
        place: see :func:`read_corrections`.
        split: the training photographs.

    Raises:
        DataError: when there is no such place, no mask in it, or one that fits no photograph.
    """
    return frozenset(_drawings(_found_masks(place, split.classes), split.records))


def require_place(place: Path) -> None:
    """Raise :class:`DataError` when there is nothing where corrections should be."""
    if not place.exists():
        help = near_path_help(place, "correct segmenter.corrections", wanted=os.path.isdir)
        raise DataError(f"folder {place} of corrections must exist, got no such folder", help=help)


def _found_masks(place: Path, classes: ClassTable) -> FoundMasks:
    """Return the masks of a place that has some."""
    require_place(place)
    found = find_masks(place, classes=classes.names)
    if not found.masks:
        below = folder_of_pictures(place) if place.is_dir() else place
        raise DataError(
            f"folder {below} of corrections must hold masks, got none",
            help="save masks there under the names of their photographs, or leave segmenter.corrections out",
        )
    return found


def _drawings(found: FoundMasks, records: Sequence[ImageRecord]) -> dict[str, Drawing]:
    """Return the masks by the ``image_id`` of their photographs."""
    photographs = named_photographs((record.image_id, record.image_path) for record in records)
    drawings: dict[str, Drawing] = {}
    for mask in found.masks:
        image_id, drawing = image_of(mask.names, photographs), mask.drawing
        if image_id is None:
            raise DataError(
                f"correction {drawing} has the name of a training photograph, got a name that fits none",
                help="rename it like its photograph, or remove it",
            )
        if image_id in drawings:
            other = str(drawings[image_id]).rpartition("/")[2]
            raise DataError(
                f"correction {drawing} is the only one of its photograph, got {other} too",
                help="remove one of them",
            )
        drawings[image_id] = drawing
    return drawings


def _require_known(drawing: Drawing, record: ImageRecord, found: FoundMasks, classes: ClassTable) -> None:
    """Refuse a mask that shows a listed class that the run does not know: as background it would teach a mistake."""
    unknown = {index: name for index, name in enumerate(found.classes, start=1) if name not in classes.names}
    present = np.unique(drawing.ids(record.image_path)).tolist() if unknown else []
    shown = [unknown[index] for index in present if index in unknown]
    if shown:
        where = "in classes.txt" if isinstance(drawing, IdPicture) else "of the class"
        raise MaskLabelError(
            f"correction {drawing} shows classes of the run ({', '.join(classes.names)}), got '{shown[0]}'",
            help=f"correct the name {where}, or draw these pixels as background, id 0",
        )


def _text(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))
