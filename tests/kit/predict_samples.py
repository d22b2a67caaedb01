"""A segmenter and photographs for `tagseg predict`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tagseg.artifacts.segmenter_file import save_segmenter
from tagseg.classes import ClassTable
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter


def save_varied_segmenter(folder: Path, classes: ClassTable) -> Path:
    """Leave an untrained DeepLabV3+ in a folder, its labels different from place to place."""
    torch.manual_seed(0)
    design = SegmenterDesign("deeplabv3plus", "test_resnet", num_labels=classes.num_labels, decoder_channels=16)
    network = build_segmenter(design, weights=None)
    with torch.no_grad():  # a new head says the same of every pixel
        head = network.network.segmentation_head[0]
        head.weight.mul_(100)
        head.bias.sub_(network.eval()(torch.randn(1, 3, 64, 64)).mean(dim=(0, 2, 3)))
    save_segmenter(folder, network, classes, prediction={}, notes={})
    return folder


def write_rough_photographs(root: Path, sizes: Mapping[str, tuple[int, int]]) -> Path:
    """Write pictures of coarse noise by their name and (height, width), and return their folder."""
    rng = np.random.default_rng(0)
    for name, (height, width) in sizes.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((width, height)).save(path)
    return root
