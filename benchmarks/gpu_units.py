"""The units of ``on_gpu.py`` in their order, cheap ones first: what each runs, on which data, with which settings.

In settings ``{data}`` stands for the folder of the unit's data set, ``{place}`` for the folder where all units work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[1]
SEEDS = (0, 1, 2)
WEIGHTS = {
    "mobilenetv2_100": "mobilenetv2_100_imagenet.safetensors",
    "tf_efficientnet_lite2": "efficientnet_lite2_imagenet.safetensors",
}
"""The file of weights of each backbone, in the order in which they are tried."""

Kind = Literal["agreement", "speed", "photographs", "run"]

TINY_BACKBONE = "test_resnet"
TINY_SIZES = ("batch_size=4", "crop_size_px=64", "long_side_px=[48, 80]")
TINY = (
    "superpixels.max_regions=16",
    "classifier.weights=random",
    "self_modulation.warmup_epochs=1",
    "training.epochs=2",
    "training.least_steps=0",
    "training.validation_images=0",
    "cams.scales=[1.0]",
    "affinity.epochs=1",
    "affinity.radius=5",
    "segmenter.epochs=1",
    "segmenter.validation_images=0",
    "prediction.scales=[1.0]",
    *(f"{section}.{size}" for section in ("training", "affinity", "segmenter") for size in TINY_SIZES),
)
"""A budget that shows that everything runs, and nothing else."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of evidence.

    Args:
        kind: ``run`` and ``photographs`` (a drawing of them) go through a recipe, the others measure.
        title: of its name.
        backbone: a timm name.
        recipe: name of a packaged one.
        changes: its settings besides the network's.
        data: ``voc`` or ``tiles``.
        seed: of everything that is drawn.
        beside: runs beside the run: plain CAM, the segmenter on ground truth.
    """

    kind: Kind
    title: str
    backbone: str
    recipe: str
    changes: tuple[str, ...]
    data: Literal["voc", "tiles"] = "voc"
    seed: int = 0
    beside: tuple[Literal["plain", "full"], ...] = ()

    @property
    def name(self) -> str:
        """Of its row."""
        measures = self.kind in ("agreement", "speed")
        return f"{self.title}-{self.backbone}" + ("" if measures else f"-{self.seed}")

    @property
    def weights(self) -> str:
        """The file of weights that it needs, or nothing."""
        return WEIGHTS.get(self.backbone, "")

    @property
    def overrides(self) -> tuple[str, ...]:
        """All settings that the recipe does not have, but for the seed."""
        weights = f"classifier.weights={{place}}/weights/{self.weights}"
        return (*self.changes, f"classifier.backbone={self.backbone}", *((weights,) if self.weights else TINY))

    def settings(self, **places: Path) -> list[str]:
        """Return the overrides with the seed, and with paths in the place of their names."""
        found = [*self.overrides, f"seed={self.seed}"]
        for name, path in places.items():
            found = [setting.replace(f"{{{name}}}", str(path)) for setting in found]
        return found

    def lacks(self, about: dict[str, Any]) -> str:
        """Return what the packs have to hold for it and do not, or an empty string."""
        if self.data not in about:
            return f"the pack has no {self.data}"
        if self.weights and self.weights not in about["weights"]:
            return f"the pack has no {self.weights}"
        return ""


VOC, VOC_RECIPE, OWN_RECIPE, TILES_RECIPE = ("data.root={data}",), "voc2012_animals", "folder", "magnetic_tiles"
MAPS_ALONE = ("cams.splits=['eval']", "masks.splits=['eval']", "masks.refine=[]", "segmenter.enabled=false")
TILES = ("data.root={data}/train", "data.test_root={data}/test")


def table(*, tiny: bool = False) -> list[Unit]:
    """Return all units, those of one seed and a toy network for a tiny budget.

    The small set goes to pseudo masks, the maps of VOC-animals are scored as they are, with plain CAM beside them; the
    whole pipeline and the tiles go to the segmenter, with the one that ground truth teaches beside it.
    """
    backbones, seeds = ((TINY_BACKBONE,), SEEDS[:1]) if tiny else (tuple(WEIGHTS), SEEDS)
    pairs = [(backbone, seed) for backbone in backbones for seed in seeds]
    small, maps = ("segmenter.enabled=false",), (*VOC, *MAPS_ALONE)
    return [
        *(Unit("agreement", "agreement", each, VOC_RECIPE, VOC) for each in backbones),
        *(Unit("speed", "speed", each, VOC_RECIPE, VOC) for each in backbones),
        *(Unit("photographs", "photographs", each, OWN_RECIPE, small, seed=seed) for each, seed in pairs),
        *(Unit("run", "maps", each, VOC_RECIPE, maps, seed=seed, beside=("plain",)) for each, seed in pairs),
        *(Unit("run", "whole", each, VOC_RECIPE, VOC, seed=seed, beside=("full",)) for each, seed in pairs),
        *(Unit("run", "tiles", backbones[0], TILES_RECIPE, TILES, "tiles", seed, ("full",)) for seed in seeds),
    ]


def chosen(units: Sequence[Unit], names: Sequence[str]) -> list[Unit]:
    """Return the units of these names, all without any.

    Raises:
        ValueError: when there is no unit of a name.
    """
    known = [unit.name for unit in units]
    if strange := [name for name in names if name not in known]:
        raise ValueError(f"there is no unit '{strange[0]}', there are {', '.join(known)}")
    return [unit for unit in units if not names or unit.name in names]
