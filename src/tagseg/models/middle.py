"""Features from the middle of a network: those of its second and third stage, side by side.

The last stage of an ImageNet network says which object an image shows. A surface, a scratch or a hole is described by
what lies before it.

Axes: N images, D feature channels, H W image rows and columns in pixels, h w feature rows and columns.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from tagseg.errors import ModelError
from tagseg.models.timm_network import feature_levels, stage_modules


def middle_levels(network: Any, *, name: str) -> list[int]:  # noqa: ANN401 - timm's classes
    """Return the positions of the outputs of stages 2 and 3 among a network's feature levels.

    Args:
        network: a timm network.
        name: its timm name, for the error.

    Raises:
        ModelError: when the network has not four stages.
    """
    stages = stage_modules(network)
    if len(stages) != 4:
        raise ModelError(
            f"features of the middle need a network of four stages, got {len(stages)} in {name}",
            help="choose a network such as mobilenetv2_100 or resnet50, or set classifier.feature_layer='last_stage'",
        )
    modules = [level["module"] for level in feature_levels(network)]
    return [modules.index(stage[-1]) for stage in stages[1:3]]


def middle_features(network: Any, images: Float[Tensor, "N 3 H W"], levels: list[int]) -> Float[Tensor, "N D h w"]:  # noqa: ANN401
    """Return the outputs of stages 2 and 3, those of stage 2 averaged over the cells of stage 3.

    What lies above is not computed.

    Args:
        network: a timm network.
        images: normalised, of a size that the network takes.
        levels: see :func:`middle_levels`.
    """
    fine, coarse = network.forward_intermediates(
        images, indices=levels, stop_early=True, intermediates_only=True, output_fmt="NCHW"
    )
    times = round(fine.shape[-1] / coarse.shape[-1])
    return torch.cat([functional.avg_pool2d(fine, times, ceil_mode=True), coarse], dim=1)
