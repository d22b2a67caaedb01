"""The measured target of self-modulation, drawn to the edges of the image: region scores in, region scores out.

Axes: C_t tagged classes of one image, R regions, H W image pixels, B bins of a histogram.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32, Integer
from numpy import ndarray
from PIL import Image as PillowImage

from tagseg.ops.regions import paint_regions, region_mean
from tagseg.refine.background import BINS, otsu_threshold, score_histogram
from tagseg.refine.crf import CrfRefiner
from tagseg.refine.dense_crf import CrfSettings
from tagseg.types import Image

_REDUCTION = 2
"""The CRF works on every second row and column: that takes a quarter of the time, and regions average it."""


def otsu_midpoint(scores: Iterable[Float32[ndarray, "C_t R"]], *, default: float = 0.5) -> float:
    """Return Otsu's threshold on the strongest score of every region of many images; regions at 0 are left out.

    Every region counts once, whatever its size.

    Args:
        scores: of the images, in [0, 1]; those without a tag are passed over.
        default: returned when there are no two groups.

    Returns:
        A score in [0, 1].

    >>> round(otsu_midpoint([np.array([[0.1, 0.1, 0.9]], np.float32)]), 1)
    0.1
    """
    counts = np.zeros(BINS, np.int64)
    for each in scores:
        if each.size:
            counts += score_histogram(each.max(axis=0)[None])
    found = otsu_threshold(counts)
    return default if found is None else found


def halved(settings: CrfSettings) -> CrfSettings:
    """Return the settings for an image of half the height and width: what is given in pixels is half as much.

    >>> halved(CrfSettings(bilateral_sigma_px=50.0)).bilateral_sigma_px
    25.0
    """
    return replace(
        settings,
        gaussian_sigma_px=settings.gaussian_sigma_px / _REDUCTION,
        bilateral_sigma_px=settings.bilateral_sigma_px / _REDUCTION,
    )


def draw_region_scores(
    scores: Float32[ndarray, "C_t R"],
    image: Image,
    regions: Integer[ndarray, "H W"],
    *,
    background_score: float,
    crf: CrfRefiner,
    device: torch.device | str = "cpu",
) -> Float32[ndarray, "C_t R"]:
    """Cut the scores at a background score, let a dense CRF draw the labels, and average them over each region again.

    Source: ours; the labels that SSC's pseudo masks end in, as the target of its self-modulation. The CRF works at half
    of the image's size.

    Args:
        scores: of the tagged classes in each region, in [0, 1].
        image: (H, W, 3) in 0..255.
        regions: region of every pixel, 0..R-1.
        background_score: where the classes are cut, in [0, 1].
        crf: with settings for an image of half the size, see :func:`halved`.
        device: where it works.

    Returns:
        Probability of each tagged class in each region, in [0, 1]. A region that half the size loses keeps its score.
    """
    if not len(scores):
        return scores
    half = torch.from_numpy(regions[::_REDUCTION, ::_REDUCTION].astype(np.int64)).to(device)[None]
    small = np.asarray(PillowImage.fromarray(image).resize((half.shape[2], half.shape[1]), PillowImage.Resampling.BOX))
    maps = paint_regions(torch.from_numpy(scores).to(device)[None], half)[0]
    labels = torch.cat([torch.full_like(maps[:1], background_score), maps])
    drawn = crf(small, labels)[1:].clamp(0, 1)
    means = region_mean(drawn[None], half, num_regions=scores.shape[1])[0].cpu().numpy()
    seen = np.bincount(half.flatten().cpu().numpy(), minlength=scores.shape[1]) > 0
    return np.where(seen, means, scores).astype(np.float32)
