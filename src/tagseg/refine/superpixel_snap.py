"""Superpixel snap: every region of the image takes the label that most of its pixels have.

Axes: L labels with background first, H W pixels, R regions. Region -1 is no region.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tagseg.ops.regions import paint_regions, region_mean
from tagseg.refine.pseudo_mask import winning_labels


def snap_scores(scores: Float[Tensor, "L H W"], regions: Int64[Tensor, "H W"]) -> Float[Tensor, "L H W"]:
    """Replace scores by the share of each region's pixels that a label wins.

    ``snapped_l(p) = |{q in r(p): argmax scores(q) = l}| / |r(p)|``

    Source: ours; the vote that region-based segmentation has always used.

    Args:
        scores: of any scale; the first of equal labels wins a pixel.
        regions: region of every pixel, or -1.

    Returns:
        Shares that sum to 1 over the labels, constant inside each region: their arg-max is the region's majority. Equal
        counts give equal shares, so there too the first label wins. A pixel without region votes for itself alone.

    >>> scores = torch.tensor([[[0.3, 0.3, 0.3, 0.3]], [[0.9, 0.8, 0.1, 0.7]]])
    >>> snap_scores(scores, torch.tensor([[0, 0, 0, -1]]))[1]
    tensor([[0.6667, 0.6667, 0.6667, 1.0000]])
    """
    votes = torch.zeros_like(scores).scatter_(0, winning_labels(scores)[None], 1)
    num_regions = max(int(regions.max()) + 1, 1)
    shares = region_mean(votes[None], regions[None], num_regions=num_regions)
    return torch.where(regions >= 0, paint_regions(shares, regions[None])[0], votes)
