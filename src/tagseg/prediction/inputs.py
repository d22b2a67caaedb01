"""Any picture a user may hold, as an upright (H, W, 3) uint8 RGB array.

Axes: H W image pixels, 3 RGB.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage
from PIL import ImageOps
from torch import Tensor

from tagseg.data.images import read_image
from tagseg.errors import DataError
from tagseg.types import Image

Picture = str | Path | PillowImage.Image | np.ndarray | Tensor
"""A file, a Pillow image, a uint8 array (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W), uint8 or in [0, 1]."""

_KINDS = "a path, a Pillow image, a uint8 array (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W)"
_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "RGBa")


def to_image(picture: Picture) -> Image:
    """Return the pixels of a picture, transparent ones laid on white, EXIF rotation of files and Pillow images applied.

    Args:
        picture: as :data:`Picture` says; an array is taken as it is, without a copy, when it is RGB already.

    Raises:
        DataError: for a file that cannot be read, or another type, shape or range.

    >>> to_image(np.full((2, 5), 7, np.uint8)).shape, to_image(torch.ones(3, 2, 5))[0, 0].tolist()
    ((2, 5, 3), [255, 255, 255])
    """
    if isinstance(picture, str | Path):
        return read_image(Path(picture))
    if isinstance(picture, PillowImage.Image):
        return _from_pillow(picture)
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    if isinstance(picture, Tensor):
        return _from_tensor(picture)
    raise DataError(f"image is {_KINDS}, got {type(picture).__name__}", help="convert it to one of these")


def _from_pillow(picture: PillowImage.Image) -> Image:
    if picture.mode not in _EIGHT_BITS:
        raise DataError(
            f"Pillow image has 8 bits a channel, got mode {picture.mode}",
            help="pass the path of its file, or scale it to 8 bits",
        )
    if 0 in picture.size:
        raise DataError(f"image has at least one pixel, got {picture.height} x {picture.width}", help="check the crop")
    try:
        upright = ImageOps.exif_transpose(picture)  # Pillow decodes here at the latest
        upright.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"Pillow image holds whole pixels, got one that cannot be decoded ({error})", help="open the file again"
        ) from error
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        upright = PillowImage.alpha_composite(PillowImage.new("RGBA", layer.size, "white"), layer)
    return np.array(upright.convert("RGB"))


def _from_array(picture: np.ndarray) -> Image:
    channels = picture.shape[2:]
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or channels not in ((), (3,), (4,)) or not picture.size:
        raise DataError(
            f"image as an array is uint8 of shape (H, W), (H, W, 3) or (H, W, 4), "
            f"got {picture.dtype} of shape {picture.shape}",
            help="bring it to RGB in 0..255, channels last",
        )
    return picture if channels == (3,) else _from_pillow(PillowImage.fromarray(np.ascontiguousarray(picture)))


def _from_tensor(picture: Tensor) -> Image:
    known = picture.dtype == torch.uint8 or picture.is_floating_point()
    if not known or picture.ndim != 3 or len(picture) != 3 or not picture.numel():
        found = f"{str(picture.dtype).removeprefix('torch.')} of shape {tuple(picture.shape)}"
        raise DataError(
            f"image as a tensor is uint8, or float in [0, 1], of shape (3, H, W), got {found}",
            help="bring it to RGB, channels first, one image at a time",
        )
    if picture.is_floating_point():
        low, high = (float(value) for value in picture.detach().aminmax())
        if not 0 <= low <= high <= 1:  # NaN fails this, too
            raise DataError(
                f"image as a float tensor lies in [0, 1], got {low:.4g} to {high:.4g}",
                help="pass it before it is normalised; divide values up to 255 by 255",
            )
        picture = picture.mul(255).round().to(torch.uint8)
    return picture.permute(1, 2, 0).contiguous().cpu().numpy()
