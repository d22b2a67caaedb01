"""The kinds of segmentation networks; without torch, since recipes name them, too."""

from typing import Literal

Architecture = Literal["deeplabv2", "deeplabv3plus", "segformer", "upernet"]

STRIDES: dict[Architecture, tuple[int, ...]] = {
    "deeplabv3plus": (8, 16),
    "segformer": (32,),
    "upernet": (32,),
}
"""Image pixels per cell of the deepest features that each can have; ``deeplabv2`` takes any that its backbone has."""


def usual_atrous_rate(output_stride: int) -> int:
    """Return the first rate of an atrous pyramid that looks about 96 px to each side, whatever its stride.

    Source: Chen et al., DeepLabV3, arXiv:1706.05587, section 4.1.2: 6, 12 and 18 cells at stride 16, twice that at 8.

    >>> usual_atrous_rate(16), usual_atrous_rate(8)
    (6, 12)
    """
    return max(1, 96 // output_stride)
