"""The kinds of segmentation networks; without torch, since recipes name them, too."""

from typing import Literal

Architecture = Literal["deeplabv2", "deeplabv3plus", "segformer", "upernet"]

STRIDES: dict[Architecture, tuple[int, ...]] = {
    "deeplabv3plus": (8, 16),
    "segformer": (32,),
    "upernet": (32,),
}
"""Image pixels per cell of the deepest features that each can have; ``deeplabv2`` takes any that its backbone has."""
