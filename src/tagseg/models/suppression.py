"""Discriminative region suppression: cap every channel near its peak, so that a class map cannot live on one part.

Axes: N images, D channels, h w feature rows and columns.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tagseg.classes import nearest_name_help
from tagseg.errors import ModelError
from tagseg.models.backbone import Backbone
from tagseg.models.timm_network import PROBE_SIDE
from tagseg.ops.activation import suppress

Position = Literal["last_stage", "after_stage_2", "features"]

PAPER_POSITIONS: tuple[Position, ...] = ("last_stage", "after_stage_2")


class Suppression(nn.Module):
    """Cap each channel at a share of its maximum over the image.

    y = min(x, delta * max_hw(relu(x))), per channel.

    Source: SSC, attention expansion, after DRS (Kim et al., AAAI 2021), where x is the output of a ReLU. Departure:
    negative values pass unchanged, so that it can follow blocks that have no ReLU (MobileNetV2, ConvNeXt); on
    non-negative input it is the original. Delta 1 is the identity.

    Args:
        delta: share of the maximum, in [0, 1].
        training_only: act in training mode only.
        detach: stop the gradient at the output, when it acts.
        channel_dim: 1, or -1 for maps with channels at the end.

    Raises:
        ModelError: when delta is not in [0, 1].

    >>> Suppression(0.55)(torch.tensor([-1.0, 0.0, 1.0, 4.0]).reshape(1, 1, 2, 2)).flatten().tolist()
    [-1.0, 0.0, 1.0, 2.200000047683716]
    """

    def __init__(
        self, delta: float, *, training_only: bool = False, detach: bool = False, channel_dim: int = 1
    ) -> None:
        super().__init__()
        if not 0 <= delta <= 1:
            raise ModelError(f"suppression delta is in [0, 1], got {delta}", help="the paper's value is 0.55")
        self.delta = delta
        self.training_only = training_only
        self.detach = detach
        self.channel_dim = channel_dim

    def forward(self, features: Float[Tensor, "N _ _ _"]) -> Float[Tensor, "N _ _ _"]:
        """Return the capped features, of the same shape."""
        if self.training_only and not self.training:
            return features
        maps = features.movedim(self.channel_dim, 1)
        capped = suppress(maps, delta=self.delta) - torch.relu(-maps)
        capped = capped.movedim(1, self.channel_dim)
        return capped.detach() if self.detach else capped

    def extra_repr(self) -> str:
        """Show the settings in ``print(network)``."""
        return f"delta={self.delta}, training_only={self.training_only}, detach={self.detach}"


def suppress_backbone(
    backbone: Backbone, *, delta: float = 0.55, positions: Sequence[str] = PAPER_POSITIONS
) -> Backbone:
    """Put suppression into a backbone, in place; parameters and their names stay as they are.

    Source: SSC, attention expansion. Positions:

    - ``last_stage``: at the output of every block of the last stage, in training and inference. In a ResNet that is
      the block's last ReLU, whose output the paper replaces: capping relu(x) is the same number.
    - ``after_stage_2``: in training only, detached: the stem and stages 1 and 2 stop learning.
    - ``features``: the backbone's output only, in training and inference.

    Args:
        backbone: not suppressed yet; blocks of maps (any network but a plain ViT) for the first two positions.
        delta: share of the maximum that is kept, in [0, 1].
        positions: any of the three; none leaves the backbone as it is.

    Returns:
        The same backbone.

    Raises:
        ModelError: for an unknown position, a second call, or blocks that put out tokens.

    >>> from tagseg.models.backbone import build_backbone
    >>> backbone = suppress_backbone(build_backbone("test_resnet", weights=None), positions=["features"])
    >>> backbone.feature_suppression
    Suppression(delta=0.55, training_only=False, detach=False)
    """
    _check(backbone, positions)
    channel_dim = -1 if backbone.layout == "NHWC" else 1
    if "last_stage" in positions:
        for block in backbone.stages[-1]:
            _append(block, Suppression(delta, channel_dim=channel_dim))
    if "after_stage_2" in positions:
        suppression = Suppression(delta, training_only=True, detach=True, channel_dim=channel_dim)
        _append(backbone.stage_ends[1], suppression)
        # What lies below gets no gradient; saying so keeps distributed training from waiting for one.
        backbone.freeze_stages(2)
    if "features" in positions:
        backbone.feature_suppression = Suppression(delta)
    _try(backbone)
    return backbone


def _check(backbone: Backbone, positions: Sequence[str]) -> None:
    for position in positions:
        if position not in get_args(Position):
            raise ModelError(
                f"suppression position '{position}' is unknown", help=nearest_name_help(position, get_args(Position))
            )
    if set(positions) - {"features"} and len(backbone.stages) < 2:
        raise ModelError(
            f"suppression inside a backbone needs stages, got none in {backbone.name}",
            help='use the position "features"',
        )
    if any(isinstance(module, Suppression) for module in backbone.modules()):
        raise ModelError(f"backbone {backbone.name} is suppressed once, got a second call", help="build a new backbone")


def _append(block: Any, suppression: Suppression) -> None:  # noqa: ANN401 - any block, with attributes of its own
    """Let a block's output pass through suppression, leaving its parameters' names and its own code alone."""
    if isinstance(block, nn.Sequential):
        block.append(suppression)
        return
    block.add_module("suppression", suppression)
    block.register_forward_hook(_apply)


def _apply(block: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:  # noqa: ANN401
    # A module-level function that looks the suppression up on its block: copies and pickles of the network stay right.
    if output.ndim != 4:
        raise ModelError(
            f"suppression inside a backbone needs blocks that put out maps, got tokens from {type(block).__name__}",
            help='use the position "features"',
        )
    return block.suppression(output)


@torch.no_grad()
def _try(backbone: Backbone) -> None:
    """Send an empty image through, so that blocks without maps are found when the network is built."""
    training = backbone.training
    backbone.eval()
    backbone(torch.zeros(1, 3, PROBE_SIDE, PROBE_SIDE))
    backbone.train(training)
