"""The reconstructor: rebuild the image from the class maps alone, so that maps which flood the background cost.

Axes: N images, C classes, H W image rows and columns in pixels, h w map rows and columns.
"""

from itertools import pairwise
from math import ceil, log2

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from tagseg.errors import ModelError
from tagseg.ops.resize import resize_maps


class Reconstructor(nn.Module):
    """Decode class maps into an image.

    A 3x3 convolution with layer norm and one residual block at the maps' resolution, then steps that double it
    (transposed convolution 4/2/1, instance norm, ReLU, 3x3 convolution, layer norm, ReLU), each with half the channels
    of the one before, and a 3x3 convolution to RGB. The layer norms let a map that rises everywhere show: instance
    norms in their place would take each channel's mean away, and with it the flood.

    Source: SSC, CAM-driven reconstruction: width 256, four steps with 256, 128, 64 and 32 channels, 4,631,811
    parameters with 20 classes. Departures: the norms divide by ``sqrt(var + 1e-5)``; the output is unbounded, since the
    target is a normalised image and tanh could never reach it; it is resized to the target's size, so that sizes need
    not be multiples of 16; ``target_stride`` 4 with width 64 is a light variant that rebuilds a quarter of the
    resolution in two steps.

    Args:
        num_classes: C >= 1 input maps, those of the background among them where it has one.
        width: channels at the maps' resolution and after the first step; a multiple of 2^(steps - 1).
        target_stride: image pixels per rebuilt pixel.
        output_stride: image pixels per cell of the class maps, at least ``target_stride``.

    Raises:
        ModelError: when the strides contradict each other or the width cannot be halved that often.

    >>> import torch
    >>> reconstructor = Reconstructor(3, width=16, target_stride=4)
    >>> reconstructor(torch.zeros(1, 3, 4, 5), size=(15, 18)).shape
    torch.Size([1, 3, 15, 18])
    """

    def __init__(self, num_classes: int, *, width: int = 256, target_stride: int = 1, output_stride: int = 16) -> None:
        super().__init__()
        if not 1 <= target_stride <= output_stride:
            raise ModelError(
                f"target stride of the reconstructor is 1 to the output stride, {output_stride}, got {target_stride}",
                help=f"choose 1 for the full resolution or {output_stride} for that of the class maps",
            )
        steps = ceil(log2(output_stride / target_stride))
        divisor = 2 ** max(steps - 1, 0)
        if width < divisor or width % divisor:
            raise ModelError(
                f"width of the reconstructor is a multiple of {divisor}, since {steps} steps halve it, got {width}",
                help=f"choose {max(round(width / divisor), 1) * divisor}",
            )
        self.target_stride = target_stride
        self.entry = nn.Sequential(nn.Conv2d(num_classes, width, 3, bias=False), layer_norm(width), nn.ReLU())
        self.residual = ResidualBlock(width)
        channels = [width, *(width // 2**step for step in range(steps))]
        self.steps = nn.Sequential(*(doubling_step(before, after) for before, after in pairwise(channels)))
        self.to_rgb = nn.Conv2d(channels[-1], 3, 3, padding=1)

    def forward(self, class_maps: Float[Tensor, "N C h w"], *, size: tuple[int, int]) -> Float[Tensor, "N 3 H2 W2"]:
        """Return the rebuilt image.

        Args:
            class_maps: in the paper F, all C raw maps: no ReLU, no selection by tags. At least two cells.
            size: (height, width) of the target, in pixels; the decoder's own size is brought to it bilinearly.

        Returns:
            Unbounded values in the range of a normalised image, once trained.
        """
        # A map of one row or column has nothing to be mirrored.
        mode = "reflect" if min(class_maps.shape[2:]) > 1 else "replicate"
        padded = functional.pad(class_maps, (1, 1, 1, 1), mode=mode)
        return resize_maps(self.to_rgb(self.steps(self.residual(self.entry(padded)))), size)


class ResidualBlock(nn.Module):
    """Add to its input what two 3x3 convolutions make of it; each has a layer norm, the first a ReLU.

    Args:
        width: channels, which stay the same.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            layer_norm(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            layer_norm(width),
        )

    def forward(self, features: Float[Tensor, "N D h w"]) -> Float[Tensor, "N D h w"]:
        """Return features of the same shape."""
        return features + self.body(features)


def doubling_step(before: int, after: int) -> nn.Sequential:
    """Build one step that doubles the resolution.

    Args:
        before: channels of the input, which the transposed convolution keeps.
        after: channels of the output.
    """
    return nn.Sequential(
        nn.ConvTranspose2d(before, before, 4, stride=2, padding=1, bias=False),
        nn.InstanceNorm2d(before),
        nn.ReLU(),
        nn.Conv2d(before, after, 3, padding=1),
        layer_norm(after),
        nn.ReLU(),
    )


def layer_norm(channels: int) -> nn.GroupNorm:
    """Build a norm over channels, rows and columns of an image, as a group norm of one group is.

    Each channel has a scale, drawn uniformly from [0, 1), and an offset of 0; both learn.

    Source: SSC's release.

    Args:
        channels: of what is normalised.
    """
    norm = nn.GroupNorm(1, channels)
    nn.init.uniform_(norm.weight)
    return norm
