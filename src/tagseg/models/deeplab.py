"""DeepLab-v2: class scores straight from dilated convolutions at several rates, added up.

Axes: N images, D feature channels, K labels (background first), H W image rows and columns in pixels, h w feature rows
and columns.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tagseg.errors import ModelError
from tagseg.models.backbone import Backbone

RATES = (6, 12, 18, 24)
"""Dilations of the paper's large field of view (ASPP-L)."""

_HEAD_STD = 0.01  # of the initial weights, in the authors' release


class AtrousPyramid(nn.Module):
    """Score every label by 3x3 convolutions of different dilations, added up.

    logits = sum_r (W_r *_r features + b_r), with ``*_r`` a convolution whose nine taps lie r cells apart

    Source: DeepLab-v2 (Chen, Papandreou, Kokkinos, Murphy and Yuille, "DeepLab: Semantic Image Segmentation with Deep
    Convolutional Nets, Atrous Convolution, and Fully Connected CRFs", TPAMI 2018, arXiv:1606.00915), atrous spatial
    pyramid pooling. Departure: each branch is one convolution, as for a ResNet; the paper's VGG-16 branches have three.

    Args:
        num_features: D, channels of the features.
        num_labels: K.
        rates: one dilation a branch, in cells.

    >>> pyramid = AtrousPyramid(2048, num_labels=21)
    >>> sum(parameter.numel() for parameter in pyramid.parameters())
    1548372
    """

    def __init__(self, num_features: int, *, num_labels: int, rates: Sequence[int] = RATES) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(num_features, num_labels, kernel_size=3, padding=rate, dilation=rate) for rate in rates
        )
        for name, parameter in self.branches.named_parameters():
            nn.init.normal_(parameter, std=_HEAD_STD) if name.endswith("weight") else nn.init.zeros_(parameter)

    def forward(self, features: Float[Tensor, "N D h w"]) -> Float[Tensor, "N K h w"]:
        """Return unbounded logits."""
        return torch.stack([branch(features) for branch in self.branches]).sum(dim=0)


class DeepLabV2(nn.Module):
    """Score every label at every cell of a dilated backbone.

    Source: DeepLab-v2, as :class:`AtrousPyramid`; 44,048,532 parameters with ResNet-101 and 21 labels. Departures: any
    backbone; one scale, where the paper's training runs three through the network and takes their maximum.

    Args:
        backbone: gives D channels; the paper's has stride 8.
        num_labels: K >= 2, background and classes.
        rates: dilations in cells, 1 or more each; the paper's belong to stride 8.

    Attributes:
        encoder: the backbone, with the ordinary learning rate.
        head: the pyramid, ten times that in the paper.

    Raises:
        ModelError: when there are fewer than two labels, or a rate is not positive.

    >>> from tagseg.models.backbone import build_backbone
    >>> network = DeepLabV2(build_backbone("test_resnet", weights=None, output_stride=8), num_labels=4)
    >>> network(torch.zeros(1, 3, 64, 50)).shape
    torch.Size([1, 4, 8, 7])
    """

    def __init__(self, backbone: Backbone, *, num_labels: int, rates: Sequence[int] = RATES) -> None:
        super().__init__()
        if num_labels < 2:
            raise ModelError(
                f"a segmentation network has 2 labels or more, got {num_labels}",
                help="count the background: num_labels = classes + 1",
            )
        if not rates or min(rates) < 1:
            raise ModelError(
                f"rates of DeepLab-v2 are dilations of 1 cell or more, got {tuple(rates)}",
                help=f"the paper's are {RATES}",
            )
        self.encoder = backbone
        self.head = AtrousPyramid(backbone.num_features, num_labels=num_labels, rates=rates)

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N K h w"]:
        """Return logits at the backbone's stride.

        Args:
            images: normalised by ``encoder.mean`` and ``encoder.std``.

        Returns:
            Unbounded logits of ceil(H / s) x ceil(W / s) cells.
        """
        return self.head(self.encoder(images))
