"""A network without the batch norms that follow its convolutions: the same values from fewer operations.

Axes: N images, C channels out, D channels in, a b rows and columns of a kernel, H W image rows and columns in pixels.
"""

import copy
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tagseg.models.mode import evaluation_mode

_PROBE_SIZE = (64, 96)
_TOLERANCE = 1e-4  # of the largest value; two orders of summing differ by about 1e-6

# Other kinds of convolution make their weights anew in every pass.
_FOLDED_INTO = (nn.Conv2d, Conv2dSame)

Network = TypeVar("Network", bound=nn.Module)


def fold_batch_norms(network: Network) -> Network:
    """Return a network whose convolutions do the work of the batch norms behind them, in evaluation mode.

    ``W'_c = s_c W_c``, ``b'_c = s_c (b_c - mean_c) + shift_c`` with ``s_c = scale_c / sqrt(var_c + eps)``

    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", CVPR 2018, arXiv:1712.05877, section 3.2.

    A batch norm in evaluation mode is one factor and one summand a channel, which a convolution has already; leaving it
    out saves a walk through every map of the network. Which convolution it follows is seen, not guessed: noise is sent
    through the network, and a pair is folded when the norm gets what the convolution gave, unchanged, and both run
    once. At the end the copy sees the same noise, and both must agree to 1e-4 of the largest value.

    Args:
        network: takes images (N, 3, H, W) and gives a tensor; stays as it is. Its weights are not to change afterwards.

    Returns:
        A copy in evaluation mode that shares all other weights with the network; activations that a norm held remain.
        Pairs that change the values are left as they are; where none is left, it is the network itself.

    >>> from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
    >>> network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None).eval()
    >>> folded = fold_batch_norms(network)
    >>> images = torch.rand(1, 3, 40, 50)
    >>> any(isinstance(module, _BatchNorm) for module in folded.modules())
    False
    >>> torch.allclose(folded(images), network(images), atol=1e-5)
    True
    """
    if not any(isinstance(module, _BatchNorm) for module in network.modules()):
        return network
    probe = _noise_for(network)
    with torch.no_grad(), evaluation_mode(network):
        pairs, expected = _pairs(network, probe)
        if not pairs:
            return network
        folded = _folded(network, pairs)
        if not _gives(folded, probe, expected):
            # A pair whose convolution serves others, too: the rest may be folded.
            pairs = [pair for pair in pairs if _gives(_folded(network, [pair]), probe, expected)]
            folded = _folded(network, pairs)
            pairs = pairs if _gives(folded, probe, expected) else []
        return folded if pairs else network


def _folded(network: Network, pairs: Sequence[tuple[str, str]]) -> Network:
    """Return a copy without the batch norms of these pairs; it shares all other weights."""
    tensors = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    folded = copy.deepcopy(network, tensors).eval()
    for convolution, norm in pairs:
        _fold(folded, convolution=convolution, norm=norm)
    return folded


def _gives(folded: nn.Module, images: Tensor, expected: Tensor) -> bool:
    return bool((folded(images) - expected).abs().max() <= _TOLERANCE * expected.abs().max())


def _noise_for(network: nn.Module) -> Tensor:
    noise = torch.randn(1, 3, *_PROBE_SIZE, generator=torch.Generator().manual_seed(0))
    return noise.to(next(network.parameters()))


def _pairs(network: nn.Module, images: Tensor) -> tuple[list[tuple[str, str]], Tensor]:
    """Return the names of each convolution and of the batch norm that gets what it gives, and the network's output."""
    calls: Counter[str] = Counter()
    given: dict[int, tuple[str, int, Tensor]] = {}  # the tensors are held, so that no other gets their ids
    found: list[tuple[str, str]] = []

    def gives(name: str, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        calls[name] += 1
        given[id(output)] = (name, output._version, output)

    def takes(name: str, _: nn.Module, inputs: tuple[Tensor]) -> None:
        calls[name] += 1
        convolution, version, features = given.get(id(inputs[0]), ("", 0, inputs[0]))
        if convolution and version == features._version:  # no activation has worked on it in place
            found.append((convolution, name))

    with ExitStack() as hooks:
        for name, module in network.named_modules():
            if type(module) in _FOLDED_INTO:
                hooks.enter_context(module.register_forward_hook(partial(gives, name)))
            elif isinstance(module, _BatchNorm) and module.running_var is not None:
                hooks.enter_context(module.register_forward_pre_hook(partial(takes, name)))
        output = network(images)
    return [pair for pair in found if all(calls[name] == 1 for name in pair)], output


def _fold(network: nn.Module, *, convolution: str, norm: str) -> None:
    """Give a convolution new weights, and put what a norm does besides normalising in its place."""
    conv: Any = network.get_submodule(convolution)
    batch_norm: Any = network.get_submodule(norm)
    bias = 0.0 if conv.bias is None else conv.bias.double()
    # In double precision: weights are rounded once.
    factor = (batch_norm.running_var.double() + batch_norm.eps).rsqrt()
    shift = (bias - batch_norm.running_mean.double()) * factor
    if batch_norm.affine:
        factor, shift = factor * batch_norm.weight, shift * batch_norm.weight + batch_norm.bias
    kernel = conv.weight * factor[:, None, None, None]
    conv.bias = nn.Parameter(shift.to(conv.weight.dtype), requires_grad=False)
    conv.weight = nn.Parameter(kernel.to(conv.weight.dtype), requires_grad=False)
    network.set_submodule(norm, getattr(batch_norm, "act", nn.Identity()))
