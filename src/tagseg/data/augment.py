"""The one joint transform of training: image, regions, mask and confidence move together.

Axis legend: H W source pixels, h w pixels after scaling, S side of the square crop.
"""

from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv
from torchvision.tv_tensors import Image as ImageTensor
from torchvision.tv_tensors import Mask as LabelTensor

from tagseg.classes import VOID
from tagseg.data.color import jitter, strong_view
from tagseg.errors import RecipeError
from tagseg.types import Image, LabelMap

NO_REGION = -1
"""Region id of padding: these pixels belong to no superpixel."""

Regions = NDArray[np.integer]
"""(H, W) region ids, 0..R-1."""

Confidence = NDArray[np.bool_]
"""(H, W), True where the mask is to be trusted."""

Canvas = TypeVar("Canvas", ImageTensor, LabelTensor)
"""What a placement moves, (channels, H, W): its type says how it is scaled."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a square crop lies in a scaled and perhaps mirrored image.

    Args:
        size: (h, w) of the scaled image, px.
        flipped: whether the scaled image is mirrored left to right.
        top: row of the crop's first row in the scaled, mirrored image, px; negative when the crop begins in padding.
        left: the same for columns.
        crop_size: S, side of the crop, px.
    """

    size: tuple[int, int]
    flipped: bool
    top: int
    left: int
    crop_size: int


@dataclass(frozen=True, slots=True)
class TrainTransform:
    """Random scale, mirror and square crop of an image and of everything drawn on it.

    The long side becomes a uniform whole number of pixels in ``long_side_range``; the crop's place is uniform. Where
    the crop is larger than the image, the image keeps its size and the rest is padding: 0 after normalisation (the
    mean colour) in the image, -1 in the regions, void in the mask, False in the confidence.
    Source: SSC, section IV (experiments), the augmentation of the tag classifier. Departure: labels are scaled by the
    nearest pixel *centre*, so that they commute with mirroring; torchvision's mask kernel rounds towards the top left.

    Args:
        crop_size: S, side of the square crop, px, at least 1.
        long_side_range: least and greatest long side after scaling, px, 1 <= least <= greatest.
        mean: RGB mean of the backbone's training images, in [0, 1].
        std: RGB standard deviation of the same, in (0, 1].
        flip: whether half of the images are mirrored left to right.
        color_jitter: brightness, contrast and saturation are multiplied by uniform factors in
            [1 - color_jitter, 1 + color_jitter]; in [0, 1), 0 leaves colours alone.
        strong: whether the sample also holds the crop as :func:`strong_view` sees it. It is drawn last, so that the
            rest of the sample is the same with it and without.

    Raises:
        RecipeError: when a size or the jitter is out of its range.

    >>> half = (0.5, 0.5, 0.5)
    >>> transform = TrainTransform(crop_size=4, long_side_range=(4, 8), mean=half, std=half, color_jitter=0.0)
    >>> sample = transform(np.zeros((3, 6, 3), np.uint8), rng=np.random.default_rng(0))
    >>> tuple(sample["image"].shape)
    (3, 4, 4)
    """

    crop_size: int
    long_side_range: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    flip: bool = True
    color_jitter: float = field(kw_only=True)
    strong: bool = False

    def __post_init__(self) -> None:
        least, greatest = self.long_side_range
        if self.crop_size < 1:
            raise RecipeError(f"crop_size must be at least 1 px, got {self.crop_size}", help="set it to 224, say")
        if not 1 <= least <= greatest:
            raise RecipeError(
                f"long_side_range must be two ascending sizes of at least 1 px, got [{least}, {greatest}]",
                help="write it as [least, greatest], such as [320, 640]",
            )
        if not 0 <= self.color_jitter < 1:
            raise RecipeError(
                f"color_jitter must lie in [0, 1), got {self.color_jitter}", help="use 0 to switch it off, or 0.2"
            )

    def draw(self, size: tuple[int, int], *, rng: np.random.Generator) -> Placement:
        """Draw the placement of one crop of an image of ``size`` (H, W), px, with ``rng``."""
        long_side = int(rng.integers(self.long_side_range[0], self.long_side_range[1], endpoint=True))
        scaled = scaled_size(size, long_side=long_side)
        mirror, row, column = rng.random(3)
        return Placement(
            size=scaled,
            flipped=self.flip and bool(mirror < 0.5),
            top=_start(scaled[0] - self.crop_size, row),
            left=_start(scaled[1] - self.crop_size, column),
            crop_size=self.crop_size,
        )

    def __call__(
        self,
        image: Image,
        *,
        rng: np.random.Generator,
        regions: Regions | None = None,
        mask: LabelMap | None = None,
        confidence: Confidence | None = None,
    ) -> dict[str, Tensor]:
        """Return the normalised crop of ``image`` and the same crop of everything drawn on it that is given.

        Args:
            image: (H, W, 3) RGB, 0..255.
            rng: the only source of chance.
            regions: (H, W) region ids, at least 0.
            mask: (H, W) label ids.
            confidence: (H, W), True where the mask is to be trusted.

        Returns:
            ``image`` float32 (3, S, S); ``regions`` and ``mask`` int64 (S, S), padded with -1 and void; ``confidence``
            bool (S, S), padded with False; and with ``strong``, ``strong`` like ``image``.
        """
        placement = self.draw(image.shape[:2], rng=rng)
        pixels = place(ImageTensor(_to_tensor(image).permute(2, 0, 1)), placement).as_subclass(Tensor)
        weak = jitter(pixels, 1 + self.color_jitter * rng.uniform(-1, 1, size=3)) if self.color_jitter else pixels
        sample = {"image": self._finish(weak, placement)}
        drawn = (("regions", regions, NO_REGION), ("mask", mask, VOID), ("confidence", confidence, False))
        for name, labels, fill in drawn:
            if labels is not None:
                moved = place(LabelTensor(_to_tensor(labels).to(torch.int64)[None]), placement)
                sample[name] = pad(moved.as_subclass(Tensor), placement, fill=fill)[0]
        if "confidence" in sample:
            sample["confidence"] = sample["confidence"].bool()
        if self.strong:
            sample["strong"] = self._finish(strong_view(pixels, rng=rng), placement)
        return sample

    def _finish(self, pixels: UInt8[Tensor, "3 h w"], placement: Placement) -> Float[Tensor, "3 S S"]:
        return pad(normalize(pixels, mean=self.mean, std=self.std), placement, fill=0)


def scaled_size(size: tuple[int, int], *, long_side: int) -> tuple[int, int]:
    """Return ``size`` (H, W) scaled so that its longer side is ``long_side`` px; both sides stay at least 1 px.

    >>> scaled_size((375, 500), long_side=320), scaled_size((1, 1000), long_side=10)
    ((240, 320), (1, 10))
    """
    scale = long_side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def place(item: Canvas, placement: Placement) -> Canvas:
    """Scale, mirror and cut the part of ``item`` (channels, H, W) that the crop covers, without padding.

    Images are scaled bilinearly with antialiasing, labels by the nearest pixel centre.
    """
    nearest = isinstance(item, LabelTensor)
    moved = tv.resize_image(
        item.as_subclass(Tensor),
        list(placement.size),
        interpolation=InterpolationMode.NEAREST_EXACT if nearest else InterpolationMode.BILINEAR,
        antialias=not nearest,
    )
    if placement.flipped:
        moved = tv.horizontal_flip_image(moved)
    top, left = max(placement.top, 0), max(placement.left, 0)
    moved = moved[..., top : placement.top + placement.crop_size, left : placement.left + placement.crop_size]
    return cast(Canvas, LabelTensor(moved) if nearest else ImageTensor(moved))


def pad(item: Shaped[Tensor, "channels h w"], placement: Placement, *, fill: int) -> Shaped[Tensor, "channels S S"]:
    """Surround what :func:`place` returned with ``fill`` so that it has the crop's size and position."""
    top, left = max(-placement.top, 0), max(-placement.left, 0)
    bottom = placement.crop_size - top - item.shape[-2]
    right = placement.crop_size - left - item.shape[-1]
    return tv.pad_image(item, [left, top, right, bottom], fill=fill)


def normalize(
    image: UInt8[Tensor, "3 h w"], *, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> Float[Tensor, "3 h w"]:
    """Return ``(image / 255 - mean) / std`` as float32, the input of a backbone.

    >>> normalize(torch.full((3, 1, 1), 255, dtype=torch.uint8), mean=(0.5,) * 3, std=(0.25,) * 3).flatten().tolist()
    [2.0, 2.0, 2.0]
    """
    pixels = image.as_subclass(Tensor).to(torch.float32) / 255
    return tv.normalize_image(pixels, mean=list(mean), std=list(std), inplace=True)


def normalize_image(
    image: Image, *, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> Float[Tensor, "3 H W"]:
    """Return a whole (H, W, 3) image as the (3, H, W) input of a backbone, at its own size.

    >>> tuple(normalize_image(np.zeros((2, 5, 3), np.uint8), mean=(0.5,) * 3, std=(0.25,) * 3).shape)
    (3, 2, 5)
    """
    return normalize(_to_tensor(image).permute(2, 0, 1), mean=mean, std=std)


def _to_tensor(array: Image | Regions | Confidence) -> Tensor:
    """Copy the array, for torch takes neither read-only arrays nor mirrored views."""
    return torch.from_numpy(np.array(array, order="C"))


def _start(slack: int, fraction: float) -> int:
    """Return a whole number between 0 and ``slack`` inclusive (which may be negative), uniform in ``fraction``."""
    steps = int(fraction * (abs(slack) + 1))
    return steps if slack >= 0 else -steps
