"""The affinity network: where objects end, and which way their centres lie, from the taps of a frozen backbone.

Axes: N images, D channels, H W image rows and columns in pixels, h w cells at stride 4: ceil(H / 4) and ceil(W / 4).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tagseg.errors import ModelError
from tagseg.models.backbone import Backbone
from tagseg.models.mode import evaluation_mode
from tagseg.models.timm_network import PROBE_SIDE
from tagseg.ops.resize import resize_maps

STRIDE = 4
"""Image pixels per cell of the boundary and of the displacement."""

_BOUNDARY_CHANNELS = 32
_DISPLACEMENT_CHANNELS = (64, 128, 256, 256, 256)


class AffinityNetwork(nn.Module):
    """Predict class boundaries and displacement towards object centres, at stride 4.

    Source: IRN (Ahn, Cho and Kwak, "Weakly Supervised Learning of Instance Segmentation with Inter-pixel Relations",
    CVPR 2019, arXiv:1904.05044), network architecture; with ResNet-50 24,902,561 parameters, of which 125,409 of the
    boundary branch and 1,269,120 of the displacement branch learn. Departures: any backbone with taps; any image size,
    since every tap is resized to the cells of its image (the original pads images to 512 and takes no larger ones).

    Args:
        backbone: is frozen here, in place: it never learns, is always in evaluation mode, and keeps no graph. The
            original takes it as pretrained on ImageNet, without suppression.

    Attributes:
        backbone: gives the taps.
        boundary_branch: with the ordinary learning rate.
        displacement_branch: ten times that in the original.
        mean_displacement: (dy, dx) in cells, which evaluation mode subtracts from the field; 0 until it is set to the
            field's mean over the training images. Part of the state dict.

    Raises:
        ModelError: when the backbone has not four stages of maps.

    >>> from tagseg.models.backbone import build_backbone
    >>> network = AffinityNetwork(build_backbone("test_resnet", weights=None))
    >>> boundary_logits, displacement = network(torch.zeros(1, 3, 50, 33))
    >>> boundary_logits.shape, displacement.shape
    (torch.Size([1, 13, 9]), torch.Size([1, 2, 13, 9]))
    """

    mean_displacement: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        channels = _tap_channels(backbone.eval())
        self.boundary_branch = BoundaryBranch(channels)
        self.displacement_branch = DisplacementBranch(channels)
        self.register_buffer("mean_displacement", torch.zeros(2))

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> tuple[Float[Tensor, "N h w"], Float[Tensor, "N 2 h w"]]:
        """Return boundary logits and the displacement field.

        Args:
            images: normalised by ``backbone.mean`` and ``backbone.std``, each side at least 1 px.

        Returns:
            Unbounded logits of a boundary, and (dy, dx) in cells; in evaluation mode minus ``mean_displacement``.
        """
        taps, size = self.taps(images), cells(images)
        displacement = self.displacement_branch(taps, size=size)
        if not self.training:
            displacement = displacement - self.mean_displacement[:, None, None]
        return self.boundary_branch(taps, size=size), displacement

    def taps(self, images: Float[Tensor, "N 3 H W"]) -> list[Float[Tensor, "N _ _ _"]]:
        """Return the backbone's five taps, detached; see :meth:`tagseg.models.backbone.Backbone.taps`."""
        with torch.no_grad():
            return self.backbone.taps(images)

    def train(self, mode: bool = True) -> "AffinityNetwork":
        """Switch the branches to training mode; the backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self


class BoundaryBranch(nn.Module):
    """Score every cell as a class boundary: each tap to 32 channels, all together to one.

    Source: IRN, network architecture.

    Args:
        tap_channels: of the five taps, shallow to deep.
    """

    def __init__(self, tap_channels: Sequence[int]) -> None:
        super().__init__()
        width = _BOUNDARY_CHANNELS
        self.projections = nn.ModuleList(Projection(channels, width, groups=4) for channels in tap_channels)
        self.score = nn.Conv2d(width * len(tap_channels), 1, kernel_size=1)

    def forward(self, taps: Sequence[Float[Tensor, "N _ _ _"]], *, size: tuple[int, int]) -> Float[Tensor, "N h w"]:
        """Return the logits.

        Args:
            taps: the backbone's.
            size: (h, w) of the result, in cells.
        """
        projected = [project(tap, size) for project, tap in zip(self.projections, taps, strict=True)]
        return self.score(torch.cat(projected, dim=1))[:, 0]


class DisplacementBranch(nn.Module):
    """Point from every cell towards the centre of its object.

    The taps become 64, 128, 256, 256 and 256 channels. The last three are mixed into 256 at the resolution of stage 2
    (stride 8), those and the first two into 256 at stride 4, and those into (dy, dx).

    Source: IRN, network architecture.

    Args:
        tap_channels: of the five taps, shallow to deep.
    """

    def __init__(self, tap_channels: Sequence[int]) -> None:
        super().__init__()
        widths = _DISPLACEMENT_CHANNELS
        self.projections = nn.ModuleList(
            Projection(channels, width, groups=8 if index == 0 else 16)
            for index, (channels, width) in enumerate(zip(tap_channels, widths, strict=True))
        )
        self.mix_deep = Projection(sum(widths[2:]), 256, groups=16)
        self.mix_all = Projection(sum(widths[:2]) + 256, 256, groups=16)
        self.field = nn.Conv2d(256, 2, kernel_size=1, bias=False)

    def forward(self, taps: Sequence[Float[Tensor, "N _ _ _"]], *, size: tuple[int, int]) -> Float[Tensor, "N 2 h w"]:
        """Return (dy, dx) in cells.

        Args:
            taps: the backbone's.
            size: (h, w) of the result, in cells.
        """
        middle = (taps[2].shape[-2], taps[2].shape[-1])
        sizes = (size, size, middle, middle, middle)
        projected = [project(tap, each) for project, tap, each in zip(self.projections, taps, sizes, strict=True)]
        deep = self.mix_deep(torch.cat(projected[2:], dim=1), size)
        return self.field(self.mix_all(torch.cat([*projected[:2], deep], dim=1), size))


class Projection(nn.Module):
    """Bias-free 1x1 convolution, group norm, bilinear resize, ReLU, in this order.

    Args:
        before: channels of the input.
        after: channels of the output, a multiple of ``groups``.
        groups: of the norm.
    """

    def __init__(self, before: int, after: int, *, groups: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, kernel_size=1, bias=False)
        self.norm = nn.GroupNorm(groups, after)

    def forward(self, features: Float[Tensor, "N _ _ _"], size: tuple[int, int]) -> Float[Tensor, "N _ _ _"]:
        """Return features of (height, width) ``size``, in cells."""
        return resize_maps(self.norm(self.convolution(features)), size).relu()


def predict_boundary(network: AffinityNetwork, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N h w"]:
    """Predict how surely each cell is a class boundary.

    ``B = sigmoid((logits(image) + flip(logits(flip(image)))) / 2)``

    Source: IRN, its release's inference.

    Args:
        network: is run in evaluation mode, without graph, and put back; only its boundary branch is computed.
        images: normalised by the backbone's mean and standard deviation.

    Returns:
        Boundaries in [0, 1], float32; those of a mirrored image are the mirrored ones.

    >>> from tagseg.models.backbone import build_backbone
    >>> predict_boundary(AffinityNetwork(build_backbone("test_resnet", weights=None)), torch.zeros(2, 3, 30, 40)).shape
    torch.Size([2, 8, 10])
    """
    with torch.no_grad(), evaluation_mode(network):
        both = torch.cat([images, images.flip(-1)])
        logits, mirrored = network.boundary_branch(network.taps(both), size=cells(images)).chunk(2)
    return ((logits + mirrored.flip(-1)) / 2).float().sigmoid()


def predict_displacement(network: AffinityNetwork, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 2 h w"]:
    """Predict the displacement of each cell towards its object's centre.

    Source: IRN, its release's inference: the image alone, without its flip; ``mean_displacement`` is subtracted.

    Args:
        network: is run in evaluation mode, without graph, and put back; only its displacement branch is computed.
        images: normalised by the backbone's mean and standard deviation.

    Returns:
        (dy, dx) in cells, float32.

    >>> from tagseg.models.backbone import build_backbone
    >>> network = AffinityNetwork(build_backbone("test_resnet", weights=None))
    >>> predict_displacement(network, torch.zeros(2, 3, 30, 40)).shape
    torch.Size([2, 2, 8, 10])
    """
    with torch.no_grad(), evaluation_mode(network):
        field = network.displacement_branch(network.taps(images), size=cells(images))
        return field.float() - network.mean_displacement[:, None, None]


def cells(images: Float[Tensor, "N 3 H W"]) -> tuple[int, int]:
    """Return (h, w), the cells of stride 4 that cover the images.

    >>> cells(torch.zeros(1, 3, 375, 500))
    (94, 125)
    """
    return -(-images.shape[-2] // STRIDE), -(-images.shape[-1] // STRIDE)


@torch.no_grad()
def _tap_channels(backbone: Backbone) -> list[int]:
    """Return the channels of the taps; an oblong empty image shows whether they are maps with channels in front."""
    parameter = next(backbone.parameters())
    taps = backbone.taps(torch.zeros(1, 3, PROBE_SIDE, 2 * PROBE_SIDE, device=parameter.device, dtype=parameter.dtype))
    for depth, tap in enumerate(taps):
        # Networks that pad may have a cell more than half the width.
        if tap.ndim != 4 or abs(2 * tap.shape[2] - tap.shape[3]) > 2:
            raise ModelError(
                f"taps of an affinity network are maps of the image's shape, got {tuple(tap.shape[1:])} at tap {depth} "
                f"of {backbone.name} for {PROBE_SIDE} x {2 * PROBE_SIDE} px",
                help="choose a backbone such as resnet50, mobilenetv2_100 or convnext_tiny",
            )
    return [tap.shape[1] for tap in taps]
