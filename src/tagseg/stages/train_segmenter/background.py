"""Let the trained network label as much of its training images as the masks that it learned from."""

import math

import torch

from tagseg.classes import BACKGROUND, VOID
from tagseg.data.seen_files import read_photograph
from tagseg.models.segmentation_network import SegmentationNetwork
from tagseg.ops.label_shift import matching_offset
from tagseg.ops.spacing import evenly_spaced
from tagseg.prediction.segmenter import PredictionSettings, Segmenter
from tagseg.stages.context import StageContext
from tagseg.stages.train_segmenter.labels import LabelledSplit

MATCHED_IMAGES = 100
"""Training images, evenly spaced, on which the share of objects is compared."""

MOST_OFFSET = 1.5
"""Bound of the offset: a network that has learned little names objects nowhere, and no offset teaches it where."""

_PIXELS = 2**14  # at most so many of an image, on a grid


def match_background(context: StageContext, network: SegmentationNetwork, labelled: LabelledSplit) -> float:
    """Move the bias of background until the network labels as much as its masks do, and return by how much.

    A network learns from masks that it cannot repeat everywhere, and answers with the most frequent label where it is
    in doubt. That is background, so objects come out too small. The masks say how much of the pictures they cover; no
    ground truth is needed (but for the upper bound, whose masks it is).

    Args:
        context: of the stage.
        network: trained; its bias changes.
        labelled: what it learned from.

    Returns:
        What was added to the logit of background; negative where objects grow.
    """
    side = context.recipe.segmenter.long_side_px[1]
    segmenter = Segmenter(network, context.train.classes, settings=PredictionSettings(max_side_px=side))
    margins, objects, pixels = [], 0, 0
    records = evenly_spaced(labelled.split.records, MATCHED_IMAGES)
    with context.progress.task("Comparing with the masks", total=len(records)) as task:
        for record in records:
            probabilities = segmenter.predict(read_photograph(record), probabilities=True).probabilities
            assert probabilities is not None
            step = max(1, math.ceil(math.sqrt(probabilities[0].numel() / _PIXELS)))
            labels = torch.from_numpy(labelled.labels.read(record))[::step, ::step]
            logits = probabilities[:, ::step, ::step].clamp_min(torch.finfo(torch.float32).tiny).log()
            known = labels != VOID
            margins.append((logits[BACKGROUND] - logits[1:].amax(dim=0))[known])
            objects += int((labels[known] != BACKGROUND).sum())
            pixels += int(known.sum())
            task.advance()
    share = objects / pixels if pixels else 0.0
    offset = matching_offset(torch.cat(margins), object_share=share, most=MOST_OFFSET)
    network.add_to_logit(BACKGROUND, offset)
    context.progress.note(f"background logit {offset:+.2f}: objects cover {share:.1%} of the pictures, as in the masks")
    return offset
