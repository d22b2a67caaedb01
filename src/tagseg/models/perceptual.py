"""Frozen feature pyramids: the yardstick by which a rebuilt image is compared with the original.

Axes: N images, D channels, H W image rows and columns in pixels, h w rows and columns of a level.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tagseg.errors import ModelError
from tagseg.models.backbone import Backbone, build_backbone
from tagseg.models.packaged_weights import find_weights
from tagseg.models.timm_network import level_features
from tagseg.models.weights import fit_weights
from tagseg.models.weights_packages import PRETRAINED

PAPER_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Weights of the five levels of VGG-19, shallow to deep."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Channels of VGG-19's convolutions in its five blocks, up to the first of the fifth.
_VGG19_BLOCKS = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512,))

Rgb = tuple[float, float, float]


class FeaturePyramid(nn.Module):
    """Features of an image at several depths of a network that never learns.

    It stays in evaluation mode, its parameters receive no gradient, and it is built once, before training; gradient
    flows through it to the image.

    Args:
        levels: a network from an image to its features, shallow to deep.
        mean: of RGB in [0, 1], that the network expects to be subtracted.
        std: of RGB in [0, 1], by which it expects to be divided.
        input_mean: by which the images that arrive were normalised.
        input_std: by which the images that arrive were normalised.
    """

    _scale: Tensor
    _shift: Tensor

    def __init__(
        self,
        levels: nn.Module,
        *,
        mean: Rgb = IMAGENET_MEAN,
        std: Rgb = IMAGENET_STD,
        input_mean: Rgb = IMAGENET_MEAN,
        input_std: Rgb = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.levels = levels
        # (x * input_std + input_mean - mean) / std, as one multiplication and one addition.
        old_mean, old_std, new_mean, new_std = (
            torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in (input_mean, input_std, mean, std)
        )
        self.register_buffer("_scale", (old_std / new_std).float(), persistent=False)
        self.register_buffer("_shift", ((old_mean - new_mean) / new_std).float(), persistent=False)
        self.requires_grad_(False)
        self.eval()

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> list[Float[Tensor, "N _ _ _"]]:
        """Return the features of each level, shallow to deep.

        Args:
            images: normalised by ``input_mean`` and ``input_std``.
        """
        return self.levels(images * self._scale + self._shift)

    def train(self, mode: bool = True) -> "FeaturePyramid":
        """Stay in evaluation mode, whatever the mode of the surrounding training."""
        return super().train(False)


class Vgg19Levels(nn.Module):
    """VGG-19 up to relu5_1; its levels are the outputs of relu1_1, 2_1, 3_1, 4_1 and 5_1.

    Source: SSC, CAM-driven reconstruction, perceptual loss; 12,944,960 parameters. The parameters carry torchvision's
    names, ``features.0.weight`` and so on.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.taps: list[int] = []
        channels = 3
        for widths in _VGG19_BLOCKS:
            layers += [nn.MaxPool2d(2)] if layers else []
            self.taps.append(len(layers) + 1)
            for width in widths:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        # What follows relu1_1, ... of a block is needed by the next level only.
        self.features = nn.Sequential(*layers[: self.taps[-1] + 1])
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType] - it was built with a bias

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> list[Float[Tensor, "N _ _ _"]]:
        """Return the five levels, of strides 1, 2, 4, 8 and 16, for images of 16 pixels or more a side."""
        levels = []
        features = images
        for index, layer in enumerate(self.features):
            features = layer(features)
            if index in self.taps:
                levels.append(features)
        return levels


class BackboneLevels(nn.Module):
    """Intermediate maps of a timm network.

    Args:
        backbone: any backbone.
        levels: positions in timm's list of levels (``feature_info``), shallow to deep.
    """

    def __init__(self, backbone: Backbone, levels: Sequence[int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.indices = list(levels)

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> list[Float[Tensor, "N _ _ _"]]:
        """Return the chosen levels; nothing above the last one is computed."""
        return level_features(self.backbone.network, self.backbone.fit_size(images), self.indices)


def vgg19_pyramid(
    weights: str | Path | None, *, input_mean: Rgb = IMAGENET_MEAN, input_std: Rgb = IMAGENET_STD
) -> FeaturePyramid:
    """Build the paper's yardstick.

    Args:
        weights: None for random values from torch's seed; a ``.safetensors`` or ``.pth`` file with the names of
            torchvision or timm, whole or cut; ``"pretrained"`` for torchvision's download.
        input_mean: by which the images that arrive were normalised.
        input_std: by which the images that arrive were normalised.

    Returns:
        The pyramid, of five levels.

    Raises:
        ModelError: for weights that are missing, unreadable or do not fit.

    >>> [tuple(level.shape[1:]) for level in vgg19_pyramid(None)(torch.zeros(1, 3, 32, 32))][-1]
    (512, 2, 2)
    """
    network = Vgg19Levels()
    if weights is not None:
        tensors = _download_vgg19() if weights == PRETRAINED else find_weights(weights, network="vgg19")
        deeper = ("classifier", "pre_logits", "head", *(f"features.{index}" for index in (30, 32, 34)))
        fit_weights(network, tensors, network_name="vgg19", source=weights, ignored=deeper)
    return FeaturePyramid(network, input_mean=input_mean, input_std=input_std)


def _download_vgg19() -> dict[str, Tensor]:
    from torchvision.models import VGG19_Weights  # its import is slow, and only this path needs it

    try:
        return dict(VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"pretrained weights of vgg19 cannot be downloaded, got {type(error).__name__}",
            help="name a file of its weights by --set reconstruction.pyramid_weights=FILE: that needs no network",
        ) from error


def timm_pyramid(
    name: str,
    weights: str | Path | None,
    levels: Sequence[int],
    *,
    input_mean: Rgb = IMAGENET_MEAN,
    input_std: Rgb = IMAGENET_STD,
) -> FeaturePyramid:
    """Build a yardstick from any timm network, such as the light MobileNetV2 that the tag classifier uses anyway.

    Source: ours; SSC has VGG-19 only.

    Args:
        name: a timm name.
        weights: as :func:`tagseg.models.backbone.build_backbone` takes them.
        levels: positions in timm's list of levels, ascending, from 0 (shallow: stride 2 in a ResNet or MobileNet,
            4 in ConvNeXt; the first block of a ViT).
        input_mean: by which the images that arrive were normalised.
        input_std: by which the images that arrive were normalised.

    Returns:
        The pyramid.

    Raises:
        ModelError: when the network is unknown, has no such level, or the weights do not fit.

    >>> pyramid = timm_pyramid("test_resnet", None, (0, 1, 2))
    >>> [tuple(level.shape[1:]) for level in pyramid(torch.zeros(1, 3, 32, 32))]
    [(32, 16, 16), (32, 8, 8), (48, 4, 4)]
    """
    backbone = build_backbone(name, weights=weights, output_stride=None)
    available = len(backbone.network.feature_info)
    if not levels or list(levels) != sorted(set(levels)) or not 0 <= levels[0] <= levels[-1] < available:
        raise ModelError(
            f"levels of {name} are ascending positions from 0 to {available - 1}, got {tuple(levels)}",
            help=f"choose some of {tuple(range(available))}",
        )
    return FeaturePyramid(
        BackboneLevels(backbone, levels),
        mean=backbone.mean,
        std=backbone.std,
        input_mean=input_mean,
        input_std=input_std,
    )
