"""Changing the resolution of maps (blended), of labels (picked) and of images (averaged), all in one pixel frame.

Axes: N images, C channels, H W rows and columns before, H2 W2 after. Pixel i covers [i, i + 1): centres lie at i + 1/2,
so maps and labels of one image stay aligned at every size.
"""

import torch
from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional


def resize_maps(maps: Float[Tensor, "N C H W"], size: tuple[int, int]) -> Float[Tensor, "N C H2 W2"]:
    """Resize maps bilinearly without moving the corners' pixel centres (``align_corners=False``, no antialiasing).

    Args:
        maps: values of any range.
        size: (height, width) to reach, each at least 1 px.

    Returns:
        Maps whose values lie between the input's smallest and largest; the input itself when it has that size already.

    >>> resize_maps(torch.tensor([[[[0.0, 4.0]]]]), (1, 4)).flatten().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    if maps.shape[-2:] == size:
        return maps
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def resize_images(images: Float[Tensor, "N C H W"], size: tuple[int, int]) -> Float[Tensor, "N C H2 W2"]:
    """Resize photographs bicubically; what shrinks is averaged first (antialiasing), as an image editor does.

    Args:
        images: normalised or not.
        size: (height, width) to reach, each at least 1 px.

    Returns:
        Images whose values may reach a little beyond the input's; the input itself when it has that size already.

    >>> resize_images(torch.ones(1, 3, 8, 6), (4, 3)).shape
    torch.Size([1, 3, 4, 3])
    """
    if images.shape[-2:] == size:
        return images
    return functional.interpolate(images, size=size, mode="bicubic", align_corners=False, antialias=True)


def resize_labels(labels: Integer[Tensor, "N H W"], size: tuple[int, int]) -> Integer[Tensor, "N H2 W2"]:
    """Resize label ids, region numbers or any other integers by taking the pixel under each new pixel's centre.

    ``row(i) = floor((i + 1/2) * H / H2)``, in whole numbers, so that no rounding decides.

    Args:
        labels: integers of any type and meaning.
        size: (height, width) to reach, each at least 1 px.

    Returns:
        Labels of the same type; only values that occur in the input.

    >>> resize_labels(torch.tensor([[[7, 9]]]), (1, 4)).flatten().tolist()
    [7, 7, 9, 9]
    """
    height, width = labels.shape[-2:]
    rows = _nearest(height, size[0], labels.device)
    columns = _nearest(width, size[1], labels.device)
    return labels[:, rows[:, None], columns]


def reconstruction_target(images: Float[Tensor, "N 3 H W"], *, target_stride: int) -> Float[Tensor, "N 3 H2 W2"]:
    """Shrink images to the size at which they are rebuilt.

    Every target pixel is the mean of its square of ``target_stride`` pixels, fewer at the lower and right border.

    Args:
        images: normalised images.
        target_stride: image pixels per target pixel, at least 1; at 1 the images themselves are the target.

    Returns:
        Images of ceil(H / target_stride) x ceil(W / target_stride) pixels.

    >>> reconstruction_target(torch.arange(18.0).reshape(1, 3, 2, 3), target_stride=2)[0, 0].tolist()
    [[2.0, 3.5]]
    """
    if target_stride == 1:
        return images
    return functional.avg_pool2d(images, target_stride, ceil_mode=True)


def _nearest(old: int, new: int, device: torch.device) -> Integer[Tensor, " new"]:
    """Return, for each of ``new`` positions, the old position that holds its centre."""
    return (2 * torch.arange(new, device=device) + 1) * old // (2 * new)
