"""The tag classifier: class maps from a backbone and a bias-free 1x1 convolution.

Axes: N images, C classes, H W image rows and columns in pixels, h w map rows and columns.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tagseg.errors import ModelError
from tagseg.models.backbone import Backbone


class TagClassifier(nn.Module):
    """Score every class at every cell.

    F = W * features, with W of shape (C, D) and no bias.

    Source: SSC, class activation maps; 23,548,992 parameters with ResNet-50 and 20 classes.

    Args:
        backbone: gives D channels.
        num_classes: C >= 1, without background.
        pooling_shares: of a class map's strongest cells whose mean is a tag logit, see
            :func:`tagseg.ops.activation.tag_logits`.
        leveled: whether the level of each class is measured after training, and saved with the weights.

    Attributes:
        backbone: the features, with the ordinary learning rate.
        head: the 1x1 convolution, ten times that in the paper.
        level: (C,) what each class map has to exceed to speak for its class; zeros until it is measured.

    Raises:
        ModelError: when there is no class.

    >>> import torch
    >>> from tagseg.models.backbone import build_backbone
    >>> classifier = TagClassifier(build_backbone("test_resnet", weights=None), num_classes=3)
    >>> classifier(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 3, 4, 4])
    """

    level: Tensor

    def __init__(
        self, backbone: Backbone, *, num_classes: int, pooling_shares: Sequence[float] = (1.0,), leveled: bool = False
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise ModelError(
                f"a tag classifier has 1 class or more, got {num_classes}", help="name the classes to learn"
            )
        self.backbone = backbone
        self.head = nn.Conv2d(backbone.num_features, num_classes, kernel_size=1, bias=False)
        self.pooling_shares = tuple(pooling_shares)
        self.register_buffer("level", torch.zeros(num_classes), persistent=leveled)

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N C h w"]:
        """Return the raw class maps F.

        Args:
            images: normalised by ``backbone.mean`` and ``backbone.std``.

        Returns:
            Signed, unbounded scores at the backbone's stride.
        """
        return self.head(self.backbone(images))
