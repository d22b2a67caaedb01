"""Colour changes of a training crop; its geometry stays as it is.

Axis legend: h w pixels of the part of the image that the crop covers.
"""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as tv

STRONG_JITTER = 0.5
GREY_PROBABILITY = 0.2
BLUR_PROBABILITY = 0.5
BLUR_SIGMA_PX = (0.1, 2.0)


def jitter(image: UInt8[Tensor, "3 h w"], factors: Float[np.ndarray, "3"]) -> UInt8[Tensor, "3 h w"]:
    """Multiply brightness, contrast and saturation by ``factors``, each at least 0; 1 changes nothing.

    >>> jitter(torch.full((3, 1, 1), 100, dtype=torch.uint8), np.array([1.5, 1.0, 1.0])).flatten().tolist()
    [150, 150, 150]
    """
    brightness, contrast, saturation = (float(factor) for factor in factors)
    jittered = tv.adjust_brightness_image(image, brightness)
    jittered = tv.adjust_contrast_image(jittered, contrast)
    return tv.adjust_saturation_image(jittered, saturation)


def strong_view(image: UInt8[Tensor, "3 h w"], *, rng: np.random.Generator) -> UInt8[Tensor, "3 h w"]:
    """Change the colours of a crop so much that a network must look at shapes to find the same labels.

    Brightness, contrast and saturation are multiplied by uniform factors in [0.5, 1.5]; one crop in five turns grey;
    every other one is blurred with a sigma uniform in [0.1, 2] px.

    Source: the strong view of UniMatch (Yang et al., CVPR 2023). Departures: the hue stays, which costs more than all
    the rest; brightness, contrast and saturation change in this order, in every crop.

    Args:
        image: RGB, 0..255.
        rng: the only source of chance; six numbers are drawn whatever they decide.

    Returns:
        A new image of the same size.

    >>> image = torch.full((3, 2, 2), 100, dtype=torch.uint8)
    >>> tuple(strong_view(image, rng=np.random.default_rng(0)).shape)
    (3, 2, 2)
    """
    factors = 1 + STRONG_JITTER * rng.uniform(-1, 1, size=3)
    grey, blurred, sigma = rng.random(3)
    image = jitter(image, factors)
    if grey < GREY_PROBABILITY:
        image = tv.rgb_to_grayscale_image(image, num_output_channels=3)
    if blurred < BLUR_PROBABILITY:
        least, greatest = BLUR_SIGMA_PX
        image = blur(image, sigma_px=least + (greatest - least) * float(sigma))
    return image


def blur(image: UInt8[Tensor, "3 h w"], *, sigma_px: float) -> UInt8[Tensor, "3 h w"]:
    """Blur with a Gaussian that is cut at three sigma; beyond its border the image goes on with its outermost pixels.

    Departure: one axis after the other and shift by shift, a tenth of the time of torchvision's two-dimensional kernel.

    Args:
        image: RGB, 0..255.
        sigma_px: standard deviation, px, above 0.

    >>> row = torch.tensor([0, 0, 255, 0, 0], dtype=torch.uint8).expand(3, 1, 5)
    >>> blur(row, sigma_px=0.5)[0].tolist()
    [[0, 27, 201, 27, 0]]
    """
    reach = int(np.ceil(3 * sigma_px))
    bell = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma_px**2))
    weights = (bell / bell.sum()).tolist()
    pixels = functional.pad(image.to(torch.float32)[None], (reach,) * 4, mode="replicate")[0]
    for axis in (1, 2):
        length = pixels.shape[axis] - 2 * reach
        blurred = torch.zeros_like(pixels.narrow(axis, 0, length))
        for start, weight in enumerate(weights):
            blurred.add_(pixels.narrow(axis, start, length), alpha=weight)
        pixels = blurred
    return pixels.round_().to(torch.uint8)
