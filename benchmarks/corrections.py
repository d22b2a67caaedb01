"""What corrected masks are worth: score of the segmenter against how many, chosen by ``tagseg review`` and at random.

    python benchmarks/corrections.py ../shared/data/voc2012_animals --run runs/animals --weights mobilenetv2.safetensors

For each seed 300 photographs of ``train`` are drawn. Their pseudo masks are those of a finished run, which this only
reads. Official masks of N of them stand in for what a person would draw; of no other photograph to learn from is one
read. Stages 5 and 6 of the product do the rest, with the same steps whatever N is, and ``val`` is scored. A unit whose
row is in the file of ``--json`` is not run again. The table of a finished file of rows:

    python benchmarks/corrections.py --table benchmarks/results/corrections.json

``--left`` scores the photographs of ``train`` that were not drawn: there rule and weight were chosen, not on ``val``.
Only there ``oracle`` may choose, by the official masks of all, the photographs whose pseudo masks are worst; N is then
what a choice could gain, not a result.
"""

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric import Fabric
from PIL import Image as PillowImage
from safetensors.torch import load_file, save_file
from this_machine import this_machine

from tagseg.artifacts.checkpoint import load_checkpoint
from tagseg.artifacts.mask_file import read_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.networks import engine_settings
from tagseg.classes import BACKGROUND, VOC_CLASSES, VOID
from tagseg.pipeline.order import PIPELINE
from tagseg.pipeline.run_inputs import RunInputs
from tagseg.pipeline.screening import LoadedData, load_splits, with_corrections
from tagseg.progress import SilentProgress
from tagseg.recipe import Recipe, load_recipe, to_toml
from tagseg.recipe.settled import settle
from tagseg.training.engine import launch
from tagseg.use.export_labels import LabelChoice
from tagseg.use.review import review_run
from tagseg.use.score_folders import evaluate_folders

DRAWN = 300
COUNTS = (0, 40, 80, 20, 10)
"""Corrected photographs, those that decide first."""
SETTINGS = (
    "cams.splits=['train']",
    "masks.splits=['train']",
    "segmenter.enabled=true",
    "segmenter.decoder_channels=64",
    "segmenter.frozen_stages=4",
    "segmenter.corrections_weight=4.0",
    "segmenter.lr=3e-4",
    "segmenter.epochs=4",
    "segmenter.batch_size=8",
    "segmenter.crop_size_px=160",
    "segmenter.long_side_px=[192, 256]",
    "segmenter.ema_decay=0.95",
    "segmenter.validation_images=0",
    "prediction.scales=[1.0]",
    "prediction.flip=false",
    "prediction.crf=false",
)
"""How every unit differs from the recipe of the run: minutes on one core, whatever N is."""
ENCODER = "encoder.safetensors"


@dataclass(frozen=True)
class Unit:
    """One training.

    Args:
        seed: of the draw, the random choice and the training.
        how: ``review`` (ours), ``random`` or ``oracle``.
        count: how many photographs have their official masks.
    """

    seed: int
    how: str
    count: int


def units(seeds: Sequence[int], hows: Sequence[str], counts: Sequence[int]) -> list[Unit]:
    """Return the units in the order in which they run; without corrections there is nothing to choose."""
    return [Unit(seed, how, count) for count in counts for seed in seeds for how in (hows if count else ["none"])]


def key_of(unit: Unit) -> dict[str, Any]:
    """Return what tells the row of a unit from those of others."""
    return {"seed": unit.seed, "how": unit.how, "count": unit.count}


def left_to_do(found: Sequence[Unit], path: Path | None) -> list[Unit]:
    """Return the units that have no row in the file."""
    rows = read_rows(path)
    return [unit for unit in found if not any(key_of(unit).items() <= row.items() for row in rows)]


def read_rows(path: Path | None) -> list[dict[str, Any]]:
    """Return the rows of a file; none where there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path is not None and path.exists() else []


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return mIoU in percent as a table in Markdown: a row for each choice, with each seed and the mean."""
    seeds = sorted({row["seed"] for row in rows})
    lines = ["| corrected | chosen | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean |"]
    lines.append("| " + " | ".join(["---"] * (3 + len(seeds))) + " |")
    for count, how in sorted({(row["count"], row["how"]) for row in rows}):
        scores = {row["seed"]: 100 * row["mean_iou"] for row in rows if (row["count"], row["how"]) == (count, how)}
        cells = [f"{scores[seed]:.1f}" if seed in scores else "" for seed in seeds]
        mean = f"{np.mean(list(scores.values())):.1f}" if len(scores) == len(seeds) else ""
        lines.append(f"| {count} | {how} | {' | '.join(cells)} | {mean} |")
    return "\n".join(lines)


def draw(root: Path, *, seed: int, count: int = DRAWN) -> tuple[list[str], list[str]]:
    """Return the photographs of ``train`` that a seed draws to learn from, and those that are left."""
    known = sorted((root / "ImageSets" / "Segmentation" / "train.txt").read_text().split())
    drawn = set(np.random.default_rng(seed).choice(known, count, replace=False).tolist())
    return sorted(drawn), [key for key in known if key not in drawn]


def lay_out(root: Path, data: Path, *, drawn: Sequence[str], scored: Sequence[str]) -> None:
    """Make a data set of the drawn photographs and those to score; only the latter have masks in it."""
    lists, masks = data / "ImageSets" / "Segmentation", data / "SegmentationClass"
    for folder in (lists, masks):
        folder.mkdir(parents=True, exist_ok=True)
    if not (data / "JPEGImages").exists():
        (data / "JPEGImages").symlink_to((root / "JPEGImages").resolve(), target_is_directory=True)
    shutil.copyfile(root / "image_tags.csv", data / "image_tags.csv")
    for name, keys in (("drawn", drawn), ("scored", scored)):
        (lists / f"{name}.txt").write_text("\n".join(keys) + "\n")
    for key in scored:
        if not (masks / f"{key}.png").exists():
            (masks / f"{key}.png").symlink_to((root / "SegmentationClass" / f"{key}.png").resolve())


def write_corrections(root: Path, folder: Path, *, keys: Sequence[str], classes: Sequence[str]) -> None:
    """Write official masks as a person leaves them, in the ids of the run; every other class of VOC is background."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ids = np.full(256, BACKGROUND, np.uint8)
    ids[VOID] = VOID
    for label, name in enumerate(classes, start=1):
        ids[1 + list(VOC_CLASSES).index(name)] = label
    for key in keys:
        PillowImage.fromarray(ids[read_mask(root / "SegmentationClass" / f"{key}.png")]).save(folder / f"{key}.png")
    (folder / "classes.txt").write_text("\n".join(classes) + "\n")


def write_encoder(run: Path, path: Path, *, weights: Path) -> None:
    """Write the backbone of a run's classifier, which has seen tags alone, as weights that an encoder begins with."""
    tensors = load_checkpoint(RunFolder(run).classifier_weights).tensors["classifier"]
    start = "backbone.network."
    own = {key.removeprefix(start): tensor for key, tensor in tensors.items() if key.startswith(start)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(load_file(weights) | own, path)  # its head, which no encoder has, is still looked for


class Study:
    """The photographs and pseudo masks of one seed, and what is trained on them.

    Args:
        args: of the command line.
        seed: of the draw.
    """

    def __init__(self, args: argparse.Namespace, *, seed: int) -> None:
        self.args, self.seed = args, seed
        self.drawn, left = draw(args.root, seed=seed)
        split = args.root / "ImageSets" / "Segmentation" / "val.txt"
        self.scored = left if args.left else sorted(split.read_text().split())
        self.place = args.out / f"{'left' if args.left else 'val'}-{seed}"
        self.base = self.place / "pseudo"
        self.recipe = self._recipe()
        self._data: LoadedData | None = None

    def _recipe(self, *more: str) -> Recipe:
        data = ("data.train_split=drawn", "data.eval_split=scored", "data.test_split=scored", f"seed={self.seed}")
        place = (f"data.root={self.place / 'data'}", f"segmenter.weights={self.args.out / ENCODER}")
        settings = [*SETTINGS, *data, *place, "engine.threads=1", *self.args.set, *more]
        return settle(load_recipe(self.args.run / "recipe.toml", settings), DRAWN)[0]

    def prepare(self) -> None:
        """Leave a run folder with the pseudo masks of the drawn photographs, as ``tagseg review`` reads it."""
        write_encoder(self.args.run, self.args.out / ENCODER, weights=self.args.weights)
        lay_out(self.args.root, self.place / "data", drawn=self.drawn, scored=self.scored)
        for key in self.drawn:
            for file in (f"2_cams/{key}.npz", f"4_masks/labels/{key}.png", f"4_masks/confidence/{key}.png"):
                (self.base / file).parent.mkdir(parents=True, exist_ok=True)
                if not (self.base / file).exists():
                    shutil.copyfile(self.args.run / file, self.base / file)
        done = RunFolder(self.args.run).stage_status("make_masks")
        RunFolder(self.base).mark_done("make_masks", done.fingerprint, done.details)
        (self.base / "recipe.toml").write_text(to_toml(self.recipe))
        self._data = load_splits(self.recipe, RunFolder(self.base), progress=SilentProgress())

    def choose(self, unit: Unit) -> list[str]:
        """Return the photographs that a unit corrects."""
        if unit.how == "random":
            return np.random.default_rng((1, self.seed)).permutation(self.drawn)[: unit.count].tolist()
        if unit.how == "oracle":
            return self._worst()[: unit.count]
        if unit.how == "none":
            return []
        choice = LabelChoice("masks", "voc", redo=True)
        found = review_run(self.base, self.place / "review", count=unit.count, choice=choice, progress=SilentProgress())
        return [row.image for row in found.rows]

    def _worst(self) -> list[str]:
        """Return the drawn photographs, those with the most wrong pixels first."""
        assert self.args.left
        truth = self.place / "truth"
        write_corrections(self.args.root, truth, keys=self.drawn, classes=self.recipe.data.classes)

        def wrong(key: str) -> float:
            official, made = read_mask(truth / f"{key}.png"), read_mask(self.base / "4_masks" / "labels" / f"{key}.png")
            return -float(np.mean((official != made) & (official != VOID)))

        return sorted(self.drawn, key=wrong)

    def run(self, unit: Unit) -> dict[str, Any]:
        """Train and score one unit; return its row."""
        started, folder = time.process_time(), self.place / f"{unit.how}-{unit.count}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "4_masks").symlink_to((self.base / "4_masks").resolve(), target_is_directory=True)
        chosen, recipe = self.choose(unit), self.recipe
        if chosen:
            write_corrections(self.args.root, folder / "corrected", keys=chosen, classes=recipe.data.classes)
            recipe = self._recipe(f"segmenter.corrections={folder / 'corrected'}")
        trained = launch(engine_settings(recipe), self._train, recipe, RunFolder(folder))
        found = folder / "6_predictions" / "labels"
        scores = evaluate_folders(found, self._truth(), classes=tuple(recipe.data.classes))
        shutil.rmtree(folder)
        return {
            **key_of(unit),
            "images": scores["images"],
            "steps": trained["steps"],
            "mean_iou": scores["mean_iou"],
            "iou": scores["iou"],
            "chosen": sorted(chosen),
            "processor_minutes": round((time.process_time() - started) / 60, 2),
            **this_machine(),
        }

    def _train(self, fabric: Fabric, recipe: Recipe, folder: RunFolder) -> dict[str, Any]:
        assert self._data is not None
        inputs = RunInputs(fabric, recipe, folder, with_corrections(self._data, recipe))
        details = {}
        for stage in PIPELINE:
            if stage.name in ("train_segmenter", "predict"):
                details |= stage.run(inputs.context(stage, progress=SilentProgress()))
        return details

    def _truth(self) -> Path:
        folder = self.place / "scored"
        if not folder.exists():
            write_corrections(self.args.root, folder, keys=self.scored, classes=self.recipe.data.classes)
        return folder


def main() -> None:
    """Run the units and write their rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, nargs="?", help="voc2012_animals")
    parser.add_argument("--run", type=Path, help="run folder with pseudo masks of train; it is only read")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of mobilenetv2_100")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--how", nargs="+", default=["review", "random"], choices=["review", "random", "oracle"])
    parser.add_argument("--left", action="store_true", help="score the rest of train, for trials")
    parser.add_argument("--set", action="append", default=[], help="any recipe value, for trials")
    parser.add_argument("--out", type=Path, default=Path("runs/corrections"))
    parser.add_argument("--json", type=Path, default=None, help="file of rows")
    parser.add_argument("--table", type=Path, help="print the table of this file of rows, and run nothing")
    args = parser.parse_args()
    if args.table:
        print(table(read_rows(args.table)))
        return
    if None in (args.root, args.run, args.weights):
        parser.error("name the folder of the data set, --run and --weights")
    if "oracle" in args.how and not args.left:
        parser.error("an oracle sees the masks of all: it goes with --left")
    studies: dict[int, Study] = {}
    for unit in left_to_do(units(args.seeds, args.how, args.counts), args.json):
        if unit.seed not in studies:
            studies[unit.seed] = Study(args, seed=unit.seed)
            studies[unit.seed].prepare()
        row = studies[unit.seed].run(unit)
        print(f"{unit}: {100 * row['mean_iou']:.2f} % mIoU, {row['processor_minutes']} minutes", flush=True)
        if args.json is not None:
            args.json.write_text(json.dumps([*read_rows(args.json), row], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
