"""What a class map has to exceed to speak for its class, measured where the class is not.

Axes: N images, C classes, H W image pixels, h w cells of the class maps.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tagseg.data.augment import normalize_image
from tagseg.data.seen_files import read_photograph
from tagseg.models.classifier import TagClassifier
from tagseg.models.mode import evaluation_mode
from tagseg.types import ImageRecord

PHOTOGRAPHS = 50
"""Most photographs without a class that its level is measured on."""


@torch.no_grad()
def measure_level(
    classifier: TagClassifier,
    of_classes: Sequence[Sequence[ImageRecord]],
    *,
    quantile: float,
    advance: Callable[[int], None] = lambda count: None,
) -> Float[Tensor, " C"]:
    """Return for each class the quantile of its map's values in photographs that do not show it.

    Every cell of such a photograph is background for the class, however much it looks like it: what reaches no further
    there says nothing elsewhere. So the level stands in for masks of the background.

    Source: ours.

    Args:
        classifier: trained; its own level plays no part.
        of_classes: C groups of photographs that do not show the class, see ``class_photographs.py``.
        quantile: in [0, 1).
        advance: called with 1 after each photograph, which is looked at once for all classes.

    Returns:
        On the processor; 0 for a class without photographs.
    """
    values: list[list[Tensor]] = [[] for _ in of_classes]
    chosen = {record.image_id: record for records_of in of_classes for record in records_of}
    wanted = [{record.image_id for record in records_of} for records_of in of_classes]
    backbone = classifier.backbone
    with evaluation_mode(classifier):
        for record in chosen.values():
            pixels = normalize_image(read_photograph(record), mean=backbone.mean, std=backbone.std)
            maps = classifier(pixels[None].to(classifier.head.weight.device)).float().cpu()[0]
            for position, ids in enumerate(wanted):
                if record.image_id in ids:
                    values[position].append(maps[position].flatten())
            advance(1)
    return torch.tensor([_quantile(torch.cat(found), quantile) if found else 0.0 for found in values])


def _quantile(values: Float[Tensor, " cells"], quantile: float) -> float:
    """Return the value that a share of the values lies below; ``torch.quantile`` takes 16 million values at most."""
    return float(values.kthvalue(1 + int(quantile * (len(values) - 1))).values)
