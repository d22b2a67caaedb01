"""One interface of every way to make maps of the tags of images, so that they can be swapped.

Axes: N images, C classes, M pairs of an image and one of its tags, H W image pixels, h w cells of the maps.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from tagseg.models.classifier import TagClassifier


class MethodMaps(NamedTuple):
    """What a method says of a batch of images, without gradient.

    Args:
        tag_logits: unbounded, of every class.
        maps: at least 0, of each tagged pair in the order of ``torch.nonzero(tags)``: image by image, then by class.
    """

    tag_logits: Float[Tensor, "N C"]
    maps: Float[Tensor, "M h w"]


TagMaps = Callable[[Tensor, Tensor], MethodMaps]
"""Gives logits and maps of normalised images (N, 3, H, W) and their tags (N, C), as :class:`MapMethod` is called."""


@runtime_checkable
class MapMethod(Protocol):
    """Turns images and their tags into positive maps, which say where each tag is.

    It runs the classifier in evaluation mode and puts its mode back.
    """

    @property
    def classifier(self) -> TagClassifier:
        """The network whose tags are looked for: it says how images are normalised, and where it is."""
        ...

    def __call__(self, images: Float[Tensor, "N 3 H W"], tags: Float[Tensor, "N C"]) -> MethodMaps:
        """Return the maps of all tags at the resolution of the method's cells.

        Args:
            images: normalised by the classifier's backbone, on its device.
            tags: 1 where a map is wanted, else 0; on any device.
        """
        ...
