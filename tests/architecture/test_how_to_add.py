"""The lists of files in CONTRIBUTING are whole: a toy of each kind touches these alone, and a run uses all of them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

NEW = ""
"""Anchor of a file that is not there yet."""

Edits = dict[str, list[tuple[str, str]]]
"""By file: an anchor that stands there once, and what takes its place."""

LAYOUT: Edits = {
    "data/layouts/toy.py": [
        (
            NEW,
            '''"""Pictures whose names begin with their class."""

from dataclasses import dataclass
from pathlib import Path

from tagseg.classes import ClassTable
from tagseg.data.split_readers import SplitReaders
from tagseg.types import ImageRecord, Split


@dataclass(frozen=True)
class ToyLayout:
    root: Path
    classes: tuple[str, ...] | None

    def readers(self):
        return SplitReaders(self.read)

    def read(self, *, problems=None):
        paths = sorted(self.root.glob("*.png"))
        names = self.classes or tuple(sorted({path.stem.split("_")[0] for path in paths}))
        label = {name: number for number, name in enumerate(names, start=1)}
        records = [ImageRecord(path.stem, path, (label[path.stem.split("_")[0]],)) for path in paths]
        return Split("train", ClassTable(names), tuple(records))
''',
        )
    ],
    "recipe/layouts.py": [
        (
            "Data = Annotated[VocData | CocoData",
            'class ToyData(DataLayout[Literal["toy"]]):\n    """Toy."""\n\n    root: Path\n\n'
            '    @property\n    def place(self) -> str:\n        return "toys"\n\n\n'
            "Data = Annotated[ToyData | VocData | CocoData",
        )
    ],
    "assemble/data.py": [
        ("    VocData: VocLayout,\n", "    VocData: VocLayout,\n    ToyData: ToyLayout,\n"),
        ("from tagseg.recipe.layouts import ", "from tagseg.recipe.layouts import ToyData, "),
        ("from tagseg.data.layouts.voc", "from tagseg.data.layouts.toy import ToyLayout\nfrom tagseg.data.layouts.voc"),
    ],
}
TERM: Edits = {
    "losses/toy.py": [
        (
            NEW,
            '''"""Keeps maps small."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class ToyTerm:
    name: ClassVar[str] = "toy"
    beta: float
    balance: bool
    first_epoch: int = 0

    def __call__(self, class_maps, batch, /):
        return class_maps.square().mean()
''',
        )
    ],
    "recipe/learning.py": [
        ("class Training(Section):", 'class Toy(TermSection):\n    """Toy."""\n\n\nclass Training(Section):'),
        (
            "    training: Training = Training()\n",
            "    toy: Toy = Toy(enabled=False)\n    training: Training = Training()\n",
        ),
    ],
    "assemble/terms.py": [
        (
            "    return tuple(terms)",
            "    if recipe.toy.enabled:\n"
            "        terms.append(ToyTerm(beta=recipe.toy.beta, balance=recipe.toy.balance))\n"
            "    return tuple(terms)",
        ),
        ("from tagseg.losses.term import", "from tagseg.losses.toy import ToyTerm\nfrom tagseg.losses.term import"),
    ],
}
METHOD: Edits = {
    "cams/methods/toy.py": [
        (
            NEW,
            '''"""Every tag is everywhere."""

from dataclasses import dataclass

import torch

from tagseg.cams.map_method import MethodMaps
from tagseg.models.classifier import TagClassifier


@dataclass(frozen=True)
class Everywhere:
    classifier: TagClassifier

    def __call__(self, images, tags):
        logits = images.new_zeros(tags.shape)
        return MethodMaps(logits, images.new_ones(int(torch.count_nonzero(tags)), 2, 2))
''',
        )
    ],
    "recipe/mapping.py": [('method: Literal["cam"]', 'method: Literal["cam", "toy"]')],
    "assemble/map_methods.py": [
        ('        "cam": ', '        "toy": lambda: Everywhere(classifier),\n        "cam": '),
        ("from tagseg.models", "from tagseg.cams.methods.toy import Everywhere\nfrom tagseg.models"),
    ],
}
REFINEMENT: Edits = {
    "refine/toy.py": [
        (
            NEW,
            '''"""A network whose word is the score of the last label."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Toy:
    network: nn.Module

    def prepare(self, images, records):
        pixels = torch.stack([torch.from_numpy(image).permute(2, 0, 1).float() for image in images])
        with torch.no_grad():
            return [Said(said) for said in self.network(pixels)[:, 0]]


@dataclass(frozen=True)
class Said:
    said: torch.Tensor

    def __call__(self, image, scores):
        return torch.cat([scores[:-1], self.said[None].to(scores)])
''',
        )
    ],
    "recipe/refining.py": [('Literal["walk", "region_affinity", ', 'Literal["walk", "toy", "region_affinity", ')],
    "assemble/refinements.py": [
        ('        "crf": ', '        "toy": lambda: Toy(bright_half()),\n        "crf": '),
        (
            "def build_refinements(",
            "def bright_half():\n    network = torch.nn.Conv2d(3, 1, 1)\n"
            "    torch.nn.init.constant_(network.weight, 0.01)\n    torch.nn.init.zeros_(network.bias)\n"
            "    return network\n\n\ndef build_refinements(",
        ),
        ("from tagseg.refine.walk", "from tagseg.refine.toy import Toy\nfrom tagseg.refine.walk"),
    ],
}
FORMAT: Edits = {
    "artifacts/toy.py": [
        (
            NEW,
            '''"""Sizes of photographs, a line each."""

from contextlib import contextmanager

from tagseg.system.atomic import atomic_write


@contextmanager
def toy_writer(path, classes):
    lines = []
    yield lambda name, labels: lines.append(f"{name} {labels.shape[0]} x {labels.shape[1]}")
    atomic_write(path, "\\n".join(lines).encode())
''',
        )
    ],
    "use/predict.py": [
        (
            '    "csv": ("areas.csv", area_writer),\n',
            '    "csv": ("areas.csv", area_writer),\n    "toy": ("sizes.txt", toy_writer),\n',
        ),
        ("from tagseg.classes", "from tagseg.artifacts.toy import toy_writer\nfrom tagseg.classes"),
    ],
}
KINDS = {
    "A data layout.": LAYOUT,
    "A loss term.": TERM,
    "A map method.": METHOD,
    "A refinement of pseudo masks.": REFINEMENT,
    "An export format": FORMAT,
}

SCRIPT = """
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import tagseg
from tagseg.artifacts.cam_file import read_cam
from tagseg.artifacts.mask_file import read_mask
from tagseg.artifacts.segmenter_file import save_segmenter
from tagseg.classes import ClassTable
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.pipeline import run_pipeline
from tagseg.progress import SilentProgress
from tagseg.recipe import make_recipe
from tagseg.training.curves import read_curves
from tagseg.use.predict import PredictChoice, predict_files

source, root = map(Path, sys.argv[1:])
assert Path(tagseg.__file__).parent == source, tagseg.__file__
photos, run = root / "photos", root / "run"
photos.mkdir()
bright = np.zeros((64, 64), bool)
bright[:, 32:] = True
for name in ("cat_0", "cat_1", "dog_0", "dog_1"):
    Image.fromarray(np.repeat(bright[..., None] * np.uint8(255), 3, axis=2)).save(photos / f"{name}.png")
recipe = make_recipe(
    {
        "name": "toys",
        "data": {"format": "toy", "root": str(photos)},
        "classifier": {"backbone": "test_resnet", "weights": "random"},
        "reconstruction": {"enabled": False},
        "self_modulation": {"enabled": False},
        "toy": {"enabled": True, "beta": 0.5},
        "training": {"epochs": 1, "batch_size": 2, "crop_size_px": 64, "long_side_px": [64, 64]},
        "cams": {"method": "toy", "scales": [1.0], "flip": False},
        "masks": {"refine": ["toy"]},
        "segmenter": {"enabled": False},
        "engine": {"accelerator": "cpu", "threads": 1},
    }
)
run_pipeline(recipe, run, progress=SilentProgress())
assert "loss_toy" in {name for _, name, _ in read_curves(run / "1_classifier" / "curves.csv")}
for name, label in (("cat_1", 1), ("dog_0", 2)):
    maps = read_cam(run / "2_cams" / f"{name}.npz")
    assert maps.label_ids == (label,) and (maps.cam == 1).all()
    assert (read_mask(run / "4_masks" / "labels" / f"{name}.png") == np.where(bright, label, 0)).all()
network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=2), weights=None)
save_segmenter(root / "segmenter", network, ClassTable(("cat",)), prediction={}, notes={})
choice = PredictChoice.parse(formats="toy", scales=None, flip=None, crf=False, max_side=None)
predict_files(root / "segmenter", [str(photos / "cat_0.png")], root / "masks", choice=choice, progress=SilentProgress())
assert (root / "masks" / "sizes.txt").read_text().endswith("cat_0.png 64 x 64")
print("all five were used")
"""


def paragraph(beginning: str) -> str:
    """Return the paragraph of CONTRIBUTING that begins with some bold words."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (found,) = [part for part in text.split("\n\n") if part.startswith(f"**{beginning}")]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_that_a_toy_touches_are_those_that_the_page_counts(kind: str) -> None:
    text = paragraph(kind)
    named = {name.replace("<name>", "toy") for name in re.findall(r"`([\w/<>]+\.py)`", text)}
    assert set(KINDS[kind]) <= named
    (count,) = re.findall(r"(Two|Three) files", text)
    assert {"Two": 2, "Three": 3}[count] == len(KINDS[kind])


def apply(edits: Edits, source: Path) -> None:
    for name, changes in edits.items():
        path = source / name
        for anchor, text in changes:
            if anchor == NEW:
                assert not path.exists()
                path.write_text(text, encoding="utf-8")
                continue
            before = path.read_text(encoding="utf-8")
            assert before.count(anchor) == 1, f"{name} has '{anchor}' {before.count(anchor)} times"
            path.write_text(before.replace(anchor, text), encoding="utf-8")


def test_a_toy_of_each_kind_is_used_by_a_run(tmp_path: Path) -> None:
    source = tmp_path / "src" / "tagseg"
    shutil.copytree(ROOT / "src" / "tagseg", source, ignore=shutil.ignore_patterns("__pycache__"))
    for edits in KINDS.values():
        apply(edits, source)
    environment = {**os.environ, "PYTHONPATH": str(source.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, str(source), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "all five were used\n"
