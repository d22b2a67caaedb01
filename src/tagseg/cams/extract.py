"""Class activation maps of images at their full resolution, from several scales and flips.

Axes: N images, C classes (C_t those tagged in one image), M pairs of an image and one of its tags, H W pixels, h w
cells of the maps, R regions.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tagseg.cams.map_method import MapMethod, TagMaps
from tagseg.ops.activation import max_normalize
from tagseg.ops.regions import paint_regions, region_mean
from tagseg.ops.resize import resize_images, resize_maps

PAPER_SCALES = (0.5, 1.0, 1.5, 2.0)


def extract_cams(
    method: MapMethod,
    images: Float[Tensor, "N 3 H W"],
    tags: Float[Tensor, "N C"],
    *,
    scales: Sequence[float] = PAPER_SCALES,
    flip: bool = True,
) -> list[Float[Tensor, "_ H W"]]:
    """Return each image's class activation maps, of its tagged classes only.

    ``S_c = sum over scales s and flips of resize(maps_c(s, flip))``, ``A_c = S_c / max_hw S_c``.

    Source: SSC section on pseudo labels, constants of its release. Departure: the image is resized after
    normalisation, by torch's antialiased bicubic filter.

    Args:
        method: gives the maps of one view; without any tag it is not asked.
        images: normalised by the backbone's mean and standard deviation, all of one size, on the classifier's device.
        tags: 1 where the image shows the class, else 0.
        scales: factors of the image's height and width, each above 0.
        flip: also look at the mirrored image, in the same batch.

    Returns:
        Per image (C_t, H, W) in [0, 1], classes ascending; a map that is nowhere positive is 0 everywhere.

    >>> from tagseg.cams.methods.cam import ClassActivation
    >>> from tagseg.models.backbone import build_backbone
    >>> from tagseg.models.classifier import TagClassifier
    >>> method = ClassActivation(TagClassifier(build_backbone("test_resnet", weights=None), num_classes=2))
    >>> cams = extract_cams(method, torch.randn(2, 3, 32, 24), torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    >>> [tuple(cam.shape) for cam in cams]
    [(2, 32, 24), (0, 32, 24)]
    """
    counts = torch.count_nonzero(tags, dim=1).tolist()
    if not sum(counts):
        return [images.new_zeros(0, *images.shape[2:], dtype=torch.float32) for _ in counts]
    views = [view_maps(method, images, tags, scale=scale, flip=flip) for scale in scales]
    return list(add_views(views, (images.shape[2], images.shape[3])).split(counts))


def view_maps(
    method: TagMaps, images: Float[Tensor, "N 3 H W"], tags: Float[Tensor, "N C"], *, scale: float, flip: bool
) -> Float[Tensor, "M h w"]:
    """Return a method's maps of all tags at one scale, plus those of the mirrored images mirrored back when ``flip``.

    Args:
        method: gives them, of the images and their mirror images in one batch.
        images: normalised.
        tags: 1 where a map is wanted, else 0.
        scale: factor of the images' height and width, above 0.
        flip: also look at the mirrored images.
    """
    scaled = resize_images(images, scaled_size((images.shape[2], images.shape[3]), scale))
    if not flip:
        return method(scaled, tags).maps
    both = method(torch.cat([scaled, scaled.flip(-1)]), torch.cat([tags, tags])).maps
    upright, mirrored = both.chunk(2)
    return upright + mirrored.flip(-1)


def add_views(views: Sequence[Float[Tensor, "M _ _"]], size: tuple[int, int]) -> Float[Tensor, "M H W"]:
    """Add up the maps of several views at full size, and scale each sum to a peak of 1.

    Args:
        views: maps of the same pairs, each view in its own resolution, at least one view.
        size: (height, width) of the images.

    Returns:
        In [0, 1]; a map that is nowhere positive is 0 everywhere.

    >>> add_views([torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[1.0]]])], (1, 2))
    tensor([[[0.5000, 1.0000]]])
    """
    total = views[0].new_zeros(len(views[0]), 1, *size)
    for view in views:
        total += resize_maps(view[:, None], size)
    return max_normalize(total)[:, 0]


def average_over_regions(cam: Float[Tensor, "C H W"], regions: Int[Tensor, "H W"]) -> Float[Tensor, "C H W"]:
    """Return the maps with every region at its mean.

    ``A'_c(p) = mean of A_c over the region of p``

    Source: the region mean of SSC's activation self-modulation, here applied once to finished maps as a named option.
    The scale of the map stays, so that averaging never raises a maximum.

    Args:
        cam: in [0, 1].
        regions: 0..R-1, -1 for pixels of no region, which keep their own value.

    Returns:
        In [0, 1].

    >>> average_over_regions(torch.tensor([[[1.0, 0.5, 0.0, 0.1]]]), torch.tensor([[0, 0, 1, -1]]))
    tensor([[[0.7500, 0.7500, 0.0000, 0.1000]]])
    """
    batch, batch_regions = cam[None], regions[None].long()
    num_regions = int(batch_regions.max()) + 1
    if num_regions == 0:
        return cam
    means = region_mean(batch, batch_regions, num_regions=num_regions)
    return torch.where(batch_regions[:, None] >= 0, paint_regions(means, batch_regions), batch)[0]


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


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Return (height, width) times ``scale``, each at least 1 px.

    >>> scaled_size((375, 500), 0.5), scaled_size((1, 9), 0.25)
    ((188, 250), (1, 2))
    """
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
