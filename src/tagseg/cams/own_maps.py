"""Maps of any network that gives class maps, also one that tagseg did not train.

Axes: N images, C classes, H W image pixels, h w cells of the class maps.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tagseg.cams.map_method import MethodMaps
from tagseg.errors import ModelError
from tagseg.models.mode import evaluation_mode
from tagseg.ops.activation import tag_logits

ClassMaps = Callable[[Tensor], Tensor]
"""A module or a function: images (N, 3, H, W), normalised by ImageNet's mean and standard deviation, to class maps."""


@dataclass(frozen=True, slots=True, eq=False)
class OwnClassMaps:
    """Takes the positive part of the class maps of the tags: ``relu(F_c)``.

    Args:
        network: gives class maps (N, C, h, w); a module is run in evaluation mode.
        num_classes: C.

    >>> method = OwnClassMaps(nn.Conv2d(3, 2, kernel_size=8, stride=8), num_classes=2)
    >>> found = method(torch.zeros(1, 3, 32, 48), torch.tensor([[0.0, 1.0]]))
    >>> tuple(found.tag_logits.shape), tuple(found.maps.shape)
    ((1, 2), (1, 4, 6))
    """

    network: ClassMaps
    num_classes: int

    def __call__(self, images: Float[Tensor, "N 3 H W"], tags: Float[Tensor, "N C"]) -> MethodMaps:
        """Return logits and maps, in float32.

        Raises:
            ModelError: when the network gives something else, or values that are not finite.
        """
        mode = evaluation_mode(self.network) if isinstance(self.network, nn.Module) else nullcontext()
        with torch.no_grad(), mode:
            class_maps = self.network(images)
        found = tuple(class_maps.shape) if isinstance(class_maps, Tensor) else type(class_maps).__name__
        expected = (len(images), self.num_classes)
        if not isinstance(found, tuple) or len(found) != 4 or found[:2] != expected or 0 in found:
            raise ModelError(
                f"a network of your own gives class maps of shape ({expected[0]}, {expected[1]}, h, w), got {found}",
                help="apply its last layer to every cell of its features, and name as many classes as there are maps",
            )
        class_maps = class_maps.float()
        if not torch.isfinite(class_maps).all():
            raise ModelError("a network of your own gives finite class maps, got NaN or inf", help="check its weights")
        return MethodMaps(tag_logits(class_maps), class_maps[torch.nonzero(tags, as_tuple=True)].relu())
