"""A segmentation network in a form that other runtimes take: plain RGB in, no layer that depends on a size in Python.

Axes: N images, C channels, K labels (background first), H W image rows and columns in pixels, h w cells, a b bins.
"""

from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from tagseg.models.segmentation_network import SegmentationNetwork
from tagseg.ops.resize import resize_maps


class ExportableNetwork(nn.Module):
    """Logits of RGB images in [0, 1]: the normalisation is part of the network.

    A copy on the CPU, in evaluation mode, equal to the original up to rounding. Exporters trace it with sizes that are
    unknown: adaptive pooling into several bins, whose windows then cannot be listed, is written as matrix products, and
    the padded size as a product, which saves them a third to half of their time.

    Args:
        network: stays as it is.

    >>> from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
    >>> design = SegmenterDesign("upernet", "test_resnet", num_labels=3, output_stride=32, decoder_channels=16)
    >>> ExportableNetwork(build_segmenter(design, weights=None))(torch.rand(2, 3, 50, 40)).shape
    torch.Size([2, 3, 50, 40])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = deepcopy(network.network).to("cpu")
        self.multiple = network.multiple
        self.register_buffer("mean", torch.tensor(network.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(network.std).view(3, 1, 1))
        replace_adaptive_pools(self.network)
        self.eval()

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N K H W"]:
        """Return unbounded logits of images in [0, 1], padded and cut as :class:`SegmentationNetwork` does."""
        height, width = images.shape[-2:]
        # Never a negative number in a division: ONNX rounds towards 0, Python down.
        padded = tuple((side + self.multiple - 1) // self.multiple * self.multiple for side in (height, width))
        images = functional.pad((images - self.mean) / self.std, (0, padded[1] - width, 0, padded[0] - height))
        return resize_maps(self.network(images), (padded[0], padded[1]))[..., :height, :width]


class MatrixPool(nn.Module):
    """Adaptive average pooling as two matrix products.

    ``out = R x C^T``, where row i of R holds 1 / n_i at the n_i rows of bin i, from floor(i h / a) to ceil((i+1) h / a)

    Equal to ``nn.AdaptiveAvgPool2d``, with sums in another order.

    Args:
        bins: (a, b) rows and columns of the output, each at least 1.

    >>> maps = torch.arange(12.0).view(1, 1, 3, 4)
    >>> torch.equal(MatrixPool((2, 2))(maps), nn.AdaptiveAvgPool2d((2, 2))(maps))
    True
    """

    def __init__(self, bins: tuple[int, int]) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, maps: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C a b"]:
        """Return the mean of each bin."""
        rows, columns = (_bin_weights(size, bins, maps) for size, bins in zip(maps.shape[-2:], self.bins, strict=True))
        return rows @ maps @ columns.mT


def replace_adaptive_pools(module: nn.Module) -> None:
    """Put :class:`MatrixPool` in place of every adaptive pooling into several bins, below ``module``.

    Pooling into one bin stays: it is a mean, which every runtime has.
    """
    for name, child in module.named_children():
        bins = _bins(child)
        if bins is not None:
            module.add_module(name, MatrixPool(bins))
        else:
            replace_adaptive_pools(child)


def _bins(module: nn.Module) -> tuple[int, int] | None:
    """Return the bins of an adaptive pooling into several, None for any other module."""
    if not isinstance(module, nn.AdaptiveAvgPool2d):
        return None
    size: Any = module.output_size
    rows, columns = size if isinstance(size, tuple) else (size, size)
    return None if None in (rows, columns) or rows * columns == 1 else (rows, columns)


def _bin_weights(size: int, bins: int, maps: Float[Tensor, "N C h w"]) -> Float[Tensor, "bins size"]:
    """Return the share of each of ``size`` cells in each bin."""
    bin_ids = torch.arange(bins, device=maps.device)[:, None]
    cells = torch.arange(size, device=maps.device)
    inside = (cells >= bin_ids * size // bins) & (cells < ((bin_ids + 1) * size + bins - 1) // bins)
    weights = inside.to(maps.dtype)
    return weights / weights.sum(dim=1, keepdim=True)
