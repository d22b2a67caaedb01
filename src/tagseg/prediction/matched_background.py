"""Let a trained network label as much of its training images as the masks that it learned from."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch

from tagseg.classes import BACKGROUND, VOID, ClassTable
from tagseg.models.segmentation_network import SegmentationNetwork
from tagseg.ops.label_shift import matching_offset
from tagseg.prediction.segmenter import PredictionSettings, Segmenter
from tagseg.types import Image, LabelMap

MOST_OFFSET = 1.5
"""Bound of the offset: a network that has learned little names objects nowhere, and no offset teaches it where."""

_PIXELS = 2**14  # at most so many of an image, on a grid


class Match(NamedTuple):
    """How the background was matched.

    Args:
        offset: what was added to the logit of background; negative where objects grow.
        object_share: the share of the pixels that has a class in the masks, in [0, 1].
        reached_share: the share that the network gives one now; another one where the offset has reached its bound.
    """

    offset: float
    object_share: float
    reached_share: float


def match_background(
    network: SegmentationNetwork, classes: ClassTable, masks: Iterable[tuple[Image, LabelMap]], *, max_side_px: int
) -> Match:
    """Move the bias of background until the network labels as much as its masks do.

    A network learns from masks that it cannot repeat everywhere, and answers with the most frequent label where it is
    in doubt. That is background, so objects come out too small. The masks say how much of the pictures they cover; no
    ground truth is needed (but for the upper bound, whose masks it is).

    Args:
        network: trained; its bias changes.
        classes: the class of each label.
        masks: images with the masks that it learned from, of the same size.
        max_side_px: larger images are shrunk to it for the network.
    """
    segmenter = Segmenter(network, classes, settings=PredictionSettings(max_side_px=max_side_px))
    margins, objects, pixels = [torch.empty(0)], 0, 0
    for image, mask in masks:
        probabilities = segmenter.predict(image, probabilities=True).probabilities
        assert probabilities is not None
        step = max(1, math.ceil(math.sqrt(mask.size / _PIXELS)))
        labels = torch.from_numpy(mask)[::step, ::step]
        logits = probabilities[:, ::step, ::step].clamp_min(torch.finfo(torch.float32).tiny).log()
        known = labels != VOID
        margins.append((logits[BACKGROUND] - logits[1:].amax(dim=0))[known])
        objects += int((labels[known] != BACKGROUND).sum())
        pixels += int(known.sum())
    share = objects / pixels if pixels else 0.0
    margin = torch.cat(margins)
    offset = matching_offset(margin, object_share=share, most=MOST_OFFSET)
    network.add_to_logit(BACKGROUND, offset)
    reached = float((margin + offset < 0).double().mean()) if len(margin) else 0.0
    return Match(offset, share, reached)
