"""Before the first stage: every image of a run is decoded once, and those that cannot be read are left out."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from tagseg.artifacts.run_folder import RunFolder, fingerprint
from tagseg.assemble.data import Splits, read_splits, without_bad_files
from tagseg.data.corrections import NO_CORRECTIONS, Corrections, read_corrections
from tagseg.data.images import content_fingerprint, read_image
from tagseg.data.layouts.coco import CocoMask
from tagseg.data.mask_formats.found_masks import ToolMask
from tagseg.data.mask_images import PaletteMask
from tagseg.data.preflight import never_absent
from tagseg.data.problems import Problem, ProblemKind
from tagseg.data.seen_files import stamp_of
from tagseg.errors import DataError
from tagseg.progress import Progress
from tagseg.recipe import Recipe
from tagseg.recipe.needs import why_unneeded
from tagseg.types import FileStamp, ImageRecord, Split


@dataclass(frozen=True, slots=True)
class LoadedData:
    """Splits of readable images.

    Args:
        splits: the images.
        fingerprint: name of content and tags of the images to train on and to evaluate.
        test_fingerprint: the same of the images to test on.
        truth: name of the masks of them all.
        corrections: masks of a person, in the place of pseudo masks.
    """

    splits: Splits
    fingerprint: str
    test_fingerprint: str
    truth: str = ""
    corrections: Corrections = NO_CORRECTIONS


def load_splits(recipe: Recipe, folder: RunFolder, *, progress: Progress) -> LoadedData:
    """Read the splits, leave out the images that cannot be read, and name the content of the rest.

    Every image is decoded once, before any training: a bad file in the last batch of the tenth epoch must not end a
    run. What was found is kept in the manifest, with the files' sizes and times, and trusted while those stay.

    Raises:
        DataError: when no image of the training split can be read.
    """
    warnings: list[Problem] = []
    splits = _seen(read_splits(recipe.data, drawn=folder.drawn_data, warnings=warnings))
    _warn_of_data(warnings, progress)
    known = _look_through([splits.train, splits.evaluation], folder, key="data", progress=progress)
    test, test_known = splits.test, known
    if test is not None:
        test_known = _look_through([test], folder, key="test_data", progress=progress)
        test = without_bad_files(test, test_known)
    evaluation = without_bad_files(splits.evaluation, known) if splits.evaluation else None
    train = without_bad_files(splits.train, known)
    if not why_unneeded("train_classifier", recipe):
        for problem in never_absent(train):
            progress.warn(f"{problem.problem}; {problem.help}")
    return LoadedData(
        Splits(train, evaluation, test),
        fingerprint=known["fingerprint"],
        test_fingerprint=test_known["fingerprint"],
        truth=fingerprint(known["truth"], test_known["truth"]),
    )


def with_corrections(data: LoadedData, recipe: Recipe) -> LoadedData:
    """Return the data with the corrections that the settled recipe names.

    Raises:
        DataError: when one does not fit its photograph, see :func:`tagseg.data.corrections.read_corrections`.
    """
    folder = recipe.segmenter.corrections
    if folder is None:
        return data
    meaning_255 = getattr(recipe.data, "mask_255", None)  # not every layout has the key
    return replace(data, corrections=read_corrections(folder, data.splits.train, meaning_255=meaning_255))


_TOLD_IN_RUNS = (
    ProblemKind.ABSENT_CLASS,
    ProblemKind.UNLEARNED_CLASS,
    ProblemKind.OTHER_ENCODING,
    ProblemKind.OTHER_FORMAT,
)
"""What a run says of its data, whether or not anyone has asked `tagseg check`: which images and classes there are."""


def _warn_of_data(found: list[Problem], progress: Progress) -> None:
    """Say where classes of two files differ, where names were read by a guess, and what is left out by its format."""
    for kind in _TOLD_IN_RUNS:
        of_kind = list(dict.fromkeys(problem for problem in found if problem.kind is kind))
        if of_kind:
            more = f", and {len(of_kind) - 1} more" if len(of_kind) > 1 else ""
            progress.warn(f"{of_kind[0].problem}{more}; {of_kind[0].help}")


def _look_through(splits: list[Split | None], folder: RunFolder, *, key: str, progress: Progress) -> dict[str, Any]:
    """Return what is known of the files of some splits: from the manifest's section ``key``, or by decoding them."""
    # Two splits may show one image with other tags or another mask: both are looked at.
    records = list(dict.fromkeys(record for split in splits if split for record in split.records))
    listing = _listing(records)
    known = folder.read_manifest().get(key, {})
    if known.get("listing") != listing or "truth" not in known:  # version 0.1 did not name it
        known = {"listing": listing, **_screen(records, progress=progress)}
        folder.update_manifest(**{key: known})
    bad, maskless = len(known["bad_files"]), len(known.get("bad_masks", []))
    if bad:
        progress.warn(f"{bad} of {known['images']} images cannot be read and are left out; see manifest.json")
    if maskless:
        progress.warn(f"{maskless} masks cannot be used and their images are not scored; see manifest.json")
    return known


def _screen(records: list[ImageRecord], *, progress: Progress) -> dict[str, object]:
    """Decode every image and mask once; return those that fail, and names for what the others hold."""
    lines: dict[str, None] = {}
    truths: dict[str, None] = {}
    bad: dict[str, str] = {}
    bad_masks: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress.task("Reading images", total=len(records)) as task:
        for record, (found, mask_problem, truth) in zip(records, pool.map(_probe, records), strict=True):
            task.advance()
            if isinstance(found, DataError):
                bad[str(record.image_path)] = str(found)
                continue
            lines[repr((record.image_id, record.tags, found))] = None
            truths[repr((record.image_id, truth))] = None
            if mask_problem:
                bad_masks[str(record.image_path)] = mask_problem
    return {
        "images": len({record.image_path for record in records}),
        "fingerprint": hashlib.sha256("".join(lines).encode()).hexdigest()[:16],
        "truth": hashlib.sha256("".join(truths).encode()).hexdigest()[:16],
        "bad_files": [{"path": path, "reason": reason} for path, reason in bad.items()],
        "bad_masks": [{"path": path, "reason": reason} for path, reason in bad_masks.items()],
    }


def _probe(record: ImageRecord) -> tuple[str | DataError, str, str]:
    """Return the image's fingerprint or what is wrong with it, what is wrong with its mask, and the mask's fingerprint.

    The last two are empty strings where there is nothing wrong, and no mask that can be used.
    """
    try:
        size = read_image(record.image_path).shape[:2]
        found = content_fingerprint(record.image_path)
    except DataError as error:
        return error, "", ""
    if record.mask is None:
        return found, "", ""
    try:
        mask = record.mask.read()
    except DataError as error:
        return found, str(error), ""
    if mask.shape != size:
        return found, f"the mask has {mask.shape} pixels and the upright image {size}", ""
    return found, "", hashlib.sha256(mask.tobytes()).hexdigest()


def _listing(records: Iterable[ImageRecord]) -> str:
    """Name the files by path, size and time of change, and how masks are read: cheap to compute at every start."""
    rows, readings = [], set()
    for record in records:
        if isinstance(record.mask, PaletteMask):
            readings.add((record.mask.label_ids, record.mask.meaning_255 or ""))
        elif isinstance(record.mask, ToolMask):
            readings.add((record.mask.label_ids, ""))
        rows.append((record.image_id, record.tags, *record.seen))
    return fingerprint(sorted(rows, key=repr), sorted(readings))


def _seen(splits: Splits) -> Splits:
    """Return the splits with records that know what their files are now."""

    def stamped(split: Split) -> Split:
        return replace(split, records=tuple(replace(each, seen=_stamps(each)) for each in split.records))

    train = stamped(splits.train)
    same = splits.evaluation is splits.train
    evaluation = train if same else stamped(splits.evaluation) if splits.evaluation else None
    return Splits(train, evaluation, stamped(splits.test) if splits.test else None)


def _stamps(record: ImageRecord) -> tuple[FileStamp, ...]:
    """Return the stamps of a record's image, and of the file of its mask."""
    mask = record.mask
    path = None
    if mask is not None:
        path = mask.annotations if isinstance(mask, CocoMask) else getattr(mask, "path", None)
    return (stamp_of(record.image_path), *([] if path is None else [stamp_of(path)]))
