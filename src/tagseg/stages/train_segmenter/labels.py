"""What the segmentation network learns from: pseudo masks with their confidence, or, for the upper bound, truth.

A mask that a person corrected takes the place of a pseudo mask: like truth it is read from the user's folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.mask_file import read_confidence, read_mask
from tagseg.classes import VOID
from tagseg.data.sample_sources import ConfidenceSource, LabelSource
from tagseg.data.seen_files import read_truth
from tagseg.errors import DataError
from tagseg.losses.segmentation import label_balance
from tagseg.ops.spacing import evenly_spaced
from tagseg.stages.context import StageContext
from tagseg.types import ImageRecord, LabelMap, Split

BALANCE_IMAGES = 500
"""Images, evenly spaced, over which the labels are counted for ``segmenter.balance``."""


@dataclass(frozen=True, slots=True)
class LabelledSplit:
    """What the segmentation network learns from.

    Args:
        split: the images.
        labels: of each image.
        confidence: which pixels of them to trust, or None when that is all.
        corrected: ids of the images whose labels a person corrected, or None when there are none.
    """

    split: Split
    labels: LabelSource
    confidence: ConfidenceSource | None
    corrected: frozenset[str] | None = None


def choose_labels(context: StageContext) -> LabelledSplit:
    """Return the pseudo masks of the training images, or their ground truth when the recipe asks for the upper bound.

    Raises:
        DataError: when ground truth is asked for and no training image has any.
    """
    if context.recipe.segmenter.labels == "pseudo":
        corrected = {record.image_id: record for record in context.corrected}
        labels, confidence = PseudoLabels(context.folder, corrected), PseudoConfidence(context.folder, corrected)
        return LabelledSplit(context.train, labels, confidence, frozenset(corrected) or None)
    known = tuple(record for record in context.train.records if record.mask is not None)
    if not known:
        raise DataError(
            f"the fully supervised upper bound learns from masks, got none for {len(context.train)} training images",
            help="give the data set masks, or set segmenter.labels='pseudo'",
        )
    return LabelledSplit(replace(context.train, records=known), TrueLabels(), None)


@dataclass(frozen=True, slots=True)
class PseudoLabels:
    """The pseudo masks of a run, as labels to learn from, and corrections in the place of some.

    Args:
        layout: of the run.
        corrected: by ``image_id``, images with their correction as their mask.
    """

    layout: RunLayout
    corrected: Mapping[str, ImageRecord]

    def read(self, record: ImageRecord) -> LabelMap:
        """Return the correction of an image where there is one, else its pseudo mask."""
        corrected = self.corrected.get(record.image_id)
        return read_truth(corrected) if corrected is not None else read_mask(self.layout.pseudo_mask(record))


@dataclass(frozen=True, slots=True)
class PseudoConfidence:
    """Which pixels of the same labels to trust: of a correction all but those that are void.

    Args:
        layout: of the run.
        corrected: by ``image_id``, images with their correction as their mask.
    """

    layout: RunLayout
    corrected: Mapping[str, ImageRecord]

    def read(self, record: ImageRecord) -> np.ndarray:
        """Return the (H, W) bool confidence mask of an image."""
        corrected = self.corrected.get(record.image_id)
        if corrected is not None:
            return read_truth(corrected) != VOID
        return read_confidence(self.layout.confidence(record))


class TrueLabels:
    """Ground truth, as labels to learn from: for the upper bound alone."""

    def read(self, record: ImageRecord) -> LabelMap:
        """Return the ground truth of an image, void where it says nothing."""
        return read_truth(record)


def balanced_weights(labelled: LabelledSplit) -> Float[Tensor, " K"]:
    """Return the weight of each label in the loss, from how often it occurs among the pixels to learn from."""
    counts = np.zeros(VOID + 1, np.int64)
    for record in evenly_spaced(labelled.split.records, BALANCE_IMAGES):
        labels = labelled.labels.read(record)
        if labelled.confidence is not None:
            labels = np.where(labelled.confidence.read(record), labels, np.uint8(VOID))
        counts += np.bincount(labels.ravel(), minlength=VOID + 1)
    return label_balance(torch.from_numpy(counts[: labelled.split.classes.num_labels]))
