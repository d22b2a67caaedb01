"""Averages over regions of an image, painting them back, and erosion of masks.

Axes: N images, C channels, H W rows and columns, R regions, P = H * W pixels. A region map holds 0..R-1, and -1 where a
pixel belongs to no region (padding).
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

LANES = 4
"""Partial sums a region: neighbouring pixels go to different ones, so that no addition waits for the one before it."""


def region_mean(
    values: Float[Tensor, "N C H W"], regions: Int64[Tensor, "N H W"], *, num_regions: int
) -> Float[Tensor, "N C {num_regions}"]:
    """Average values over each region of their image.

    ``mean[n, c, r] = sum_{p in r} values[n, c, p] / |r|``

    Source: SSC, activation self-modulation. Departure: the sum goes through indices in O(N C H W) time and memory;
    one-hot masks need R times that for the same number.

    Args:
        values: values of any sign; halves are summed in float32.
        regions: region of every pixel, -1..num_regions-1; pixels of -1 count nowhere.
        num_regions: R, at least 1.

    Returns:
        Means, 0 for a region without pixels, differentiable in the values.

    Raises:
        RuntimeError: from torch, when a region number is out of range (an assertion of the device on CUDA).

    >>> region_mean(torch.tensor([[[[1.0, 3.0, 5.0]]]]), torch.tensor([[[0, 0, -1]]]), num_regions=2).tolist()
    [[[2.0, 0.0]]]
    """
    terms = values.flatten(2)
    if terms.dtype in (torch.float16, torch.bfloat16):
        terms = terms.float()
    lanes = torch.arange(terms.shape[2], device=terms.device) % LANES
    slots = _slots(regions) * LANES + lanes
    sums = _sum_slots(terms, slots, num_regions=num_regions)
    sizes = _sum_slots(terms.new_ones(1).expand_as(slots)[:, None], slots, num_regions=num_regions)
    return (sums / sizes.clamp_min(1)).to(values.dtype)


def paint_regions(means: Float[Tensor, "N C R"], regions: Int64[Tensor, "N H W"]) -> Float[Tensor, "N C H W"]:
    """Give every pixel the value of its region, and 0 where it has none.

    Args:
        means: one value a region and channel.
        regions: region of every pixel, -1..R-1.

    Returns:
        Maps that are constant inside each region.

    >>> paint_regions(torch.tensor([[[2.0, 7.0]]]), torch.tensor([[[1, 0, -1]]])).flatten().tolist()
    [7.0, 2.0, 0.0]
    """
    channels = means.shape[1]
    with_nowhere = functional.pad(means, (1, 0))
    painted = with_nowhere.gather(2, _slots(regions)[:, None].expand(-1, channels, -1))
    return painted.unflatten(2, regions.shape[1:])


def erode(mask: Bool[Tensor, "N C H W"], *, size: int) -> Bool[Tensor, "N C H W"]:
    """Keep the pixels whose whole square neighbourhood is in the mask.

    The square of row y covers rows ``y - size // 2 .. y + (size - 1) // 2``, and columns alike: an even square reaches
    one pixel further up and left. Pixels outside the image count as inside the mask, so an object that leaves the
    image is not eaten at the border. ``scipy.ndimage.binary_erosion`` with ``border_value=1`` does the same.

    Args:
        mask: True inside.
        size: side of the square in pixels, at least 1; 1 changes nothing.

    Returns:
        A subset of the mask.

    >>> erode(torch.tensor([[[[True, True, True, False, True]]]]), size=2).flatten().tolist()
    [True, True, True, False, False]
    """
    reach = (size // 2, (size - 1) // 2)
    eroded = functional.pad(mask, reach + reach, value=True)
    for axis in (2, 3):
        covered = 1
        while covered < size:
            # Two overlapping runs of `covered` pixels make one of `covered + step`: log2(size) passes, not size.
            step = min(covered, size - covered)
            length = eroded.shape[axis] - step
            eroded = eroded.narrow(axis, 0, length) & eroded.narrow(axis, step, length)
            covered += step
    return eroded


def _slots(regions: Int64[Tensor, "N H W"]) -> Int64[Tensor, "N P"]:
    """Return each pixel's place in a row of R + 1 places, of which the first collects pixels without region."""
    return regions.flatten(1) + 1


def _sum_slots(
    terms: Float[Tensor, "N C P"], slots: Int64[Tensor, "N P"], *, num_regions: int
) -> Float[Tensor, "N C {num_regions}"]:
    """Add up the terms of each region from the lanes of its slot, and drop the slot of pixels without region."""
    images, channels = terms.shape[:2]
    sums = terms.new_zeros(images, channels, (num_regions + 1) * LANES)
    sums = sums.scatter_add(2, slots[:, None].expand(-1, channels, -1), terms)
    return sums.unflatten(2, (num_regions + 1, LANES))[:, :, 1:].sum(3)
