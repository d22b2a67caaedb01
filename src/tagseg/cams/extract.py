"""Class activation maps of a trained classifier at the image's full resolution, from several scales and flips.

Axes: N images, C classes (C_t those tagged in one image), H W pixels, h w cells of the class maps, R regions.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate

from tagseg.models.mode import evaluation_mode
from tagseg.ops.activation import max_normalize
from tagseg.ops.regions import paint_regions, region_mean
from tagseg.ops.resize import resize_maps

PAPER_SCALES = (0.5, 1.0, 1.5, 2.0)


def extract_cams(
    classifier: nn.Module,
    images: Float[Tensor, "N 3 H W"],
    tags: Float[Tensor, "N C"],
    *,
    scales: Sequence[float] = PAPER_SCALES,
    flip: bool = True,
    size_multiple: int = 1,
) -> list[Float[Tensor, "_ H W"]]:
    """Return each image's class activation maps, of its tagged classes only.

    ``S_c = sum over scales s and flips of resize(relu(F_c(s, flip)))``, ``A_c = S_c / max_hw S_c``.

    Source: SSC section on pseudo labels, constants of its release (METHOD.md 3). Departures: the image is resized after
    normalisation, by torch's antialiased bicubic filter; ``size_multiple`` can make a scaled image end on a whole cell
    of the class maps, so that a map covers exactly its image (the release keeps any size: 1).

    Args:
        classifier: gives class maps ``F`` (N, C, h, w) for images (N, 3, H, W); run in evaluation mode, then put back.
        images: normalised by the backbone's mean and standard deviation, all of one size, on the classifier's device.
        tags: 1 where the image shows the class, else 0.
        scales: factors of the image's height and width, each above 0.
        flip: also look at the mirrored image, in the same batch.
        size_multiple: scaled heights and widths are rounded to the nearest multiple of this, at least one.

    Returns:
        Per image (C_t, H, W) in [0, 1], classes ascending; a map that is nowhere positive is 0 everywhere.

    >>> head = nn.Conv2d(3, 2, kernel_size=1, bias=False)
    >>> cams = extract_cams(head, torch.randn(2, 3, 8, 6), torch.tensor([[1.0, 1.0], [0.0, 0.0]]), scales=(1.0, 2.0))
    >>> [tuple(cam.shape) for cam in cams]
    [(2, 8, 6), (0, 8, 6)]
    """
    size = (images.shape[2], images.shape[3])
    image_of, class_of = torch.nonzero(tags.to(images.device), as_tuple=True)
    total = images.new_zeros(len(image_of), 1, *size, dtype=torch.float32)
    if len(image_of):
        with torch.no_grad(), evaluation_mode(classifier):
            for scale in scales:
                scaled = _resize_images(images, scaled_size(size, scale, size_multiple=size_multiple))
                class_maps = _positive_maps(classifier, scaled, flip=flip)
                # Only the tagged maps grow to full size: an image shows few of the classes.
                total += resize_maps(class_maps[image_of, class_of][:, None], size)
    counts = torch.bincount(image_of, minlength=len(images)).tolist()
    return list(max_normalize(total)[:, 0].split(counts))


def average_over_regions(
    cam: Float[Tensor, "C H W"], regions: Int[Tensor, "H W"], *, normalizer: Literal["pixel", "region"] = "pixel"
) -> Float[Tensor, "C H W"]:
    """Return the maps with every region at its mean.

    ``A'_c(p) = mean of A_c over the region of p`` (``"pixel"``), or the same divided by its own maximum (``"region"``).

    Source: the region mean of SSC's activation self-modulation, here applied once to finished maps as a named option.

    Args:
        cam: in [0, 1].
        regions: 0..R-1, -1 for pixels of no region, which keep their own value.
        normalizer: ``"pixel"`` keeps the scale of the pixel map, so that averaging never raises a maximum.

    Returns:
        In [0, 1].

    >>> cam = torch.tensor([[[1.0, 0.5, 0.0, 0.1]]])
    >>> average_over_regions(cam, torch.tensor([[0, 0, 1, -1]]))
    tensor([[[0.7500, 0.7500, 0.0000, 0.1000]]])
    >>> average_over_regions(cam, torch.tensor([[0, 0, 1, -1]]), normalizer="region")[0, 0, 0]
    tensor(1.)
    """
    batch, batch_regions = cam[None], regions[None].long()
    num_regions = int(batch_regions.max()) + 1
    if num_regions == 0:
        return cam
    means = region_mean(batch, batch_regions, num_regions=num_regions)
    painted = torch.where(batch_regions[:, None] >= 0, paint_regions(means, batch_regions), batch)
    return (max_normalize(painted) if normalizer == "region" else painted)[0]


def shape_batches(sizes: Sequence[tuple[int, int]], *, batch_size: int) -> list[tuple[int, ...]]:
    """Group images of equal size into batches, the largest images first (memory runs out at once or never).

    The groups depend on ``sizes`` alone. A processor may round differently in batches of different length, so a
    resumed or sharded extraction keeps its bits by grouping the whole split and taking or leaving whole batches.

    Args:
        sizes: (height, width) of each image, in the split's order.
        batch_size: most images in a batch, at least 1.

    Returns:
        Positions in ``sizes``, each exactly once; ascending inside a batch.

    >>> shape_batches([(4, 4), (8, 8), (4, 4), (4, 4)], batch_size=2)
    [(1,), (0, 2), (3,)]
    """
    by_size: dict[tuple[int, int], list[int]] = {}
    for position, size in enumerate(sizes):
        by_size.setdefault(size, []).append(position)
    largest_first = sorted(by_size, key=lambda size: (-size[0] * size[1], size))
    return [
        tuple(by_size[size][start : start + batch_size])
        for size in largest_first
        for start in range(0, len(by_size[size]), batch_size)
    ]


def scaled_size(size: tuple[int, int], scale: float, *, size_multiple: int = 1) -> tuple[int, int]:
    """Return (height, width) times ``scale``, each to the nearest multiple of ``size_multiple`` that is not 0.

    >>> scaled_size((375, 500), 0.5), scaled_size((375, 500), 0.5, size_multiple=16), scaled_size((1, 9), 0.25)
    ((188, 250), (192, 256), (1, 2))
    """
    height, width = (max(1, round(side * scale / size_multiple)) * size_multiple for side in size)
    return height, width


def _positive_maps(
    classifier: Callable[[Tensor], Tensor], images: Float[Tensor, "N 3 H W"], *, flip: bool
) -> Float[Tensor, "N C h w"]:
    """Return ``relu(F)``, plus that of the mirrored images mirrored back when ``flip``."""
    if not flip:
        return classifier(images).float().relu()
    upright, mirrored = classifier(torch.cat([images, images.flip(-1)])).float().relu().chunk(2)
    return upright + mirrored.flip(-1)


def _resize_images(images: Float[Tensor, "N 3 H W"], size: tuple[int, int]) -> Float[Tensor, "N 3 H2 W2"]:
    if images.shape[2:] == size:
        return images
    return interpolate(images, size=size, mode="bicubic", align_corners=False, antialias=True)
