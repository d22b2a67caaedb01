"""The page that goes with a published segmenter: what it is, its labels and scores, and code that runs it anywhere."""

import json
from textwrap import indent

import timm
from timm.models.efficientnet import EfficientNet

from tagseg.artifacts.segmenter_file import WEIGHTS_NAME, SegmenterDescription, label_colors
from tagseg.models.deeplab import RATES
from tagseg.models.segmentation_network import SegmenterDesign

_SMP_CLASSES = {"deeplabv3plus": "DeepLabV3Plus", "segformer": "Segformer", "upernet": "UPerNet"}

_FIXED_SIZE = ("swin", "maxvit", "maxxvit")  # timm builds these for one image size by default

_HEADER = """---
library_name: tagseg
pipeline_tag: image-segmentation
tags:
- semantic-segmentation
- weakly-supervised
---
"""

_LICENCE = """## Licence

The code of tagseg is Apache-2.0. Weights inherit conditions from the images and the ImageNet weights that they were
trained with: whoever publishes them says here which licence they have.
"""


def model_card(description: SegmenterDescription, *, repo_id: str) -> str:
    """Return the README of a repository that holds a segmenter.

    Args:
        description: what the repository holds; notes that are text, numbers or ``scores`` are shown.
        repo_id: ``owner/name``.

    Returns:
        Markdown, with a header of the hub.
    """
    design = description.design
    sections = [
        f"# {repo_id.partition('/')[2]}",
        f"A semantic segmentation network ({design.architecture}, backbone {design.backbone}) for photographs, made by "
        f"tagseg. It gives every pixel one of {design.num_labels} labels and needs no tags.",
        f"## Labels\n\n{_labels_table(description)}",
        _scores(description),
        _origin(description),
        f'## Use with tagseg\n\n```python\nimport tagseg\n\nmask = tagseg.load("{repo_id}").predict("photo.jpg")\n'
        "mask.labels, mask.names\n```",
        "## Use without tagseg\n\nThe images `x` are float32 (N, 3, H, W), RGB in [0, 1], with sides that are "
        f"multiples of {design.output_stride}.{_caution(design)}\n\n```python\n{plain_code(description)}```",
        _LICENCE,
    ]
    return _HEADER + "\n" + "\n\n".join(section for section in sections if section)


def plain_code(description: SegmenterDescription) -> str:
    """Return Python that computes ``labels`` (N, H, W) of images ``x`` with smp or timm and without tagseg.

    It reads the weights file in the working folder. A backbone of ``deeplabv2`` that puts out tokens or channels last
    (ViT, Swin) needs its features brought to (N, channels, rows, columns) besides.

    >>> from pathlib import Path
    >>> from tagseg.classes import ClassTable
    >>> design = SegmenterDesign("segformer", "resnet18", num_labels=2, output_stride=32)
    >>> rgb = (0.5, 0.5, 0.5)
    >>> print(plain_code(SegmenterDescription(Path(), design, ClassTable(("cat",)), rgb, rgb, {}, {}, "")))
    import safetensors.torch
    import segmentation_models_pytorch as smp
    import torch
    <BLANKLINE>
    network = smp.Segformer(
        encoder_name="tu-resnet18",
        encoder_weights=None,
        classes=2,
        upsampling=1,
        decoder_segmentation_channels=256,
    )
    network.load_state_dict(safetensors.torch.load_file("segmenter.safetensors"))
    network.eval()
    <BLANKLINE>
    mean, std = (torch.tensor(rgb).view(3, 1, 1) for rgb in ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))
    with torch.no_grad():
        logits = network((x - mean) / std)
        logits = torch.nn.functional.interpolate(logits, size=x.shape[-2:], mode="bilinear")
    labels = logits.argmax(dim=1)
    <BLANKLINE>
    """
    design = description.design
    build, run = _timm_code(design) if design.architecture == "deeplabv2" else _smp_code(design)
    return f"""{build}
mean, std = (torch.tensor(rgb).view(3, 1, 1) for rgb in ({description.mean}, {description.std}))
with torch.no_grad():
{indent(run, "    ")}
    logits = torch.nn.functional.interpolate(logits, size=x.shape[-2:], mode="bilinear")
labels = logits.argmax(dim=1)
"""


def _smp_code(design: SegmenterDesign) -> tuple[str, str]:
    """Return code that builds an smp network, and code that runs it."""
    options = {
        "encoder_name": json.dumps(f"tu-{design.backbone}"),
        "encoder_weights": None,
        "classes": design.num_labels,
        "upsampling": 1,
    }
    width = "decoder_segmentation_channels" if design.architecture == "segformer" else "decoder_channels"
    options[width] = design.decoder_channels
    if design.architecture == "deeplabv3plus":
        options["encoder_output_stride"] = design.output_stride
        options["decoder_atrous_rates"] = design.atrous_rates
    if design.backbone.startswith(_FIXED_SIZE):
        options["strict_img_size"] = False
    arguments = "".join(f"    {name}={value},\n" for name, value in options.items())
    build = f"""import safetensors.torch
import segmentation_models_pytorch as smp
import torch

network = smp.{_SMP_CLASSES[design.architecture]}(
{arguments})
network.load_state_dict(safetensors.torch.load_file("{WEIGHTS_NAME}"))
network.eval()
"""
    return build, "logits = network((x - mean) / std)"


def _timm_code(design: SegmenterDesign) -> tuple[str, str]:
    """Return code that builds DeepLab-v2 from a timm network and plain convolutions, and code that runs it."""
    # timm's class of MobileNetV2 and EfficientNet is the one whose last 1x1 convolution can be left out.
    family = timm.models.model_entrypoint(design.backbone.partition(".")[0]).__module__
    headless = design.feature_layer == "last_stage" and family == EfficientNet.__module__
    cut = "encoder.conv_head, encoder.bn2 = torch.nn.Identity(), torch.nn.ReLU()\n" if headless else ""
    build = f"""import safetensors.torch
import timm
import torch

tensors = safetensors.torch.load_file("{WEIGHTS_NAME}")


def part(prefix):
    return {{name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}}


encoder = timm.create_model({json.dumps(design.backbone)}, num_classes=0, output_stride={design.output_stride})
{cut}encoder.load_state_dict(part("encoder.network."))
encoder.eval()
channels = tensors["head.branches.0.weight"].shape[1]
head = torch.nn.ModuleList(
    torch.nn.Conv2d(channels, {design.num_labels}, kernel_size=3, padding=rate, dilation=rate) for rate in {RATES}
)
head.load_state_dict(part("head.branches."))
"""
    run = """features = encoder.forward_features((x - mean) / std)
logits = sum(branch(features) for branch in head)"""
    return build, run


def _caution(design: SegmenterDesign) -> str:
    if design.architecture != "deeplabv2":
        return ""
    return " The features of a backbone that puts out tokens or channels last need rearranging to (N, channels, h, w)."


def _labels_table(description: SegmenterDescription) -> str:
    rows = zip(description.classes.label_names, label_colors(description.classes), strict=True)
    lines = [f"| {label} | {_cell(name)} | {', '.join(map(str, rgb))} |" for label, (name, rgb) in enumerate(rows)]
    return "\n".join(["| id | label | colour (RGB) |", "| --- | --- | --- |", *lines])


def _scores(description: SegmenterDescription) -> str:
    scores = description.notes.get("scores")
    if not isinstance(scores, dict) or not scores:
        return ""
    lines = [f"| {_cell(name)} | {_percent(value)} |" for name, value in scores.items()]
    return "\n".join(["## Scores", "", "| score | value |", "| --- | --- |", *lines])


def _origin(description: SegmenterDescription) -> str:
    """Return the notes that are one value each."""
    plain = {key: value for key, value in description.notes.items() if isinstance(value, str | int | float)}
    if not plain:
        return ""
    return "\n".join(["## Origin", "", *(f"- {_cell(key)}: {_cell(value)}" for key, value in plain.items())])


def _percent(value: object) -> str:
    return f"{100 * value:.1f} %" if isinstance(value, int | float) else _cell(value)


def _cell(value: object) -> str:
    r"""Return text that cannot break a table or become markup.

    >>> _cell("a|b<i>")
    'a\\|b&lt;i>'
    """
    return " ".join(str(value).split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
