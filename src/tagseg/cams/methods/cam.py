"""Class activation maps, the paper's method: the positive part of the class maps.

Axes: N images, C classes, H W image pixels, h w cells of the class maps.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tagseg.cams.map_method import MethodMaps
from tagseg.models.classifier import TagClassifier
from tagseg.models.mode import evaluation_mode
from tagseg.ops.activation import tag_logits


@dataclass(frozen=True, slots=True, eq=False)
class ClassActivation:
    """Takes the class maps of the tags, in one forward pass.

    ``relu(F_c - level_c)``

    Source: SSC, class activation maps (Zhou et al., CVPR 2016), with a level of 0. A measured level is ours, see
    :func:`tagseg.cams.level.measure_level`.

    Args:
        classifier: gives class maps ``F``.

    >>> from tagseg.models.backbone import build_backbone
    >>> method = ClassActivation(TagClassifier(build_backbone("test_resnet", weights=None), num_classes=2))
    >>> found = method(torch.zeros(2, 3, 32, 48), torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
    >>> tuple(found.tag_logits.shape), tuple(found.maps.shape)
    ((2, 2), (3, 2, 3))
    """

    classifier: TagClassifier

    def __call__(self, images: Float[Tensor, "N 3 H W"], tags: Float[Tensor, "N C"]) -> MethodMaps:
        """Return logits and maps, in float32."""
        with torch.no_grad(), evaluation_mode(self.classifier):
            class_maps = self.classifier(images).float()
        images_of, classes_of = torch.nonzero(tags, as_tuple=True)
        levels = self.classifier.level[classes_of.to(class_maps.device), None, None]
        maps = (class_maps[images_of, classes_of] - levels).relu()
        return MethodMaps(tag_logits(class_maps, self.classifier.pooling_shares), maps)
