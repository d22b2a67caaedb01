"""What the pseudo masks of a run show of each class: the first look where there is no ground truth."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from tagseg.artifacts.mask_file import read_mask
from tagseg.assemble.maps import chosen_records
from tagseg.errors import ArtifactError
from tagseg.ops.spacing import evenly_spaced
from tagseg.report.content import ClassShare
from tagseg.results.source import ReportSource

MOST_MASKS = 500
"""Pseudo masks that are looked at, evenly spaced over the images."""


def class_shares(source: ReportSource, held_out: Mapping[str, float]) -> tuple[ClassShare, ...]:
    """Return, by class, how many images have the tag, how many masks show it, and of how many pixels.

    Masks that are not there or damaged are left out; without any, nothing is returned.

    Args:
        source: the run.
        held_out: average precision of held-out tags, by the name of the class.
    """
    if not source.splits:
        return ()
    records = chosen_records(source.recipe.masks.splits, source.splits.train, source.splits.evaluation)
    made = [record for record in records if source.folder.pseudo_mask(record).exists()]
    tagged: Counter[int] = Counter()
    shown: Counter[int] = Counter()
    pixels = np.zeros(256, np.int64)
    for record in evenly_spaced(made, MOST_MASKS):
        try:
            counts = np.bincount(read_mask(source.folder.pseudo_mask(record)).ravel(), minlength=256)
        except ArtifactError:
            continue
        tagged.update(record.tags)
        shown.update(np.flatnonzero(counts).tolist())
        pixels += counts
    total = int(pixels.sum())
    return tuple(
        ClassShare(name, tagged[label] if label else None, shown[label], int(pixels[label]) / total, held_out.get(name))
        for label, name in enumerate(source.classes.label_names)
        if total
    )
