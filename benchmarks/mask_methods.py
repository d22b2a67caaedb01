"""What each refinement makes of the same maps: scores and seconds an image, side by side on one finished run.

    python benchmarks/mask_methods.py runs/animals
    python benchmarks/mask_methods.py runs/animals --every 4 --set superpixels.cache=...
    python benchmarks/mask_methods.py runs/animals --maps affinity --shares 0 0.5 0.7 1 --crf-starts labels 0.15

Every method starts from the maps of stage 2: as the network gave them, averaged over regions and, where the run has it,
after region affinity. They are refined as they are (a share of 0), and as their mean with the walked maps for every
other share (``masks.walk_share``); refined maps are stored as stage 4 stores them. The CRF starts from labels of one
certainty, or from the softmax of the scores over a temperature (``masks.crf_temperature``). Without options the share
and the start are those of the run's recipe.

The background score of each kind of maps is Otsu's threshold, which needs no masks, on the images that are measured, so
that no row is tuned on the masks that score it; "best" is the best one of a sweep, before the steps that follow.
Seconds are wall time for one image on one thread without reading it; those of the walk include the boundaries, not the
training of the affinity network, which the table names apart. Prints one table and writes JSON.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from this_machine import this_machine
from torch import Tensor

from tagseg.artifacts.cam_file import CamFile, read_cam, write_cam
from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.data import read_splits, superpixel_cache, without_bad_files
from tagseg.assemble.maps import read_maps
from tagseg.assemble.refinements import build_refinements
from tagseg.data.images import read_image
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.evaluation.threshold import BackgroundSweep, ThresholdPoint, best
from tagseg.ops.spacing import evenly_spaced
from tagseg.recipe import Recipe, load_run_recipe
from tagseg.refine.background import otsu_background
from tagseg.refine.pseudo_mask import PseudoMask, label_scores
from tagseg.refine.refinement import Refinement, refine_in_order
from tagseg.refine.walk import mean_with_walked
from tagseg.stages.make_masks import OTSU_IMAGES
from tagseg.types import Image, ImageRecord, LabelMap, Split

STEPS = ("none", "superpixels", "pixel_adaptive", "crf")


class Maps(NamedTuple):
    """Maps that masks are cut from: of one kind, with so large a share of the walked ones."""

    kind: str
    share: float


class Step(NamedTuple):
    """What follows the cut; ``temperature`` is that of the softmax from which the CRF starts, None for labels."""

    name: str
    temperature: float | None = None


@dataclass
class Row:
    """The counts of one method."""

    matrix: ConfusionMatrix
    seconds: list[float] = field(default_factory=list)


@dataclass
class Asked:
    """What is compared: kinds of maps, shares of the walked ones, and what follows the cut."""

    maps: Sequence[str]
    shares: Sequence[float]
    steps: Sequence[Step]


class Comparison:
    """All methods on the images of one run; refined maps go into ``scratch``."""

    def __init__(self, run: RunFolder, recipe: Recipe, split: Split, asked: Asked, *, scratch: Path) -> None:
        self.run, self.recipe, self.split, self.asked, self.scratch = run, recipe, split, asked, scratch
        self.regions = superpixel_cache(recipe)
        self.walk = self._built("walk", walk_share=1.0) if any(asked.shares) else None
        self.steps = {
            step: self._built(step.name, crf_temperature=step.temperature)
            for step in asked.steps
            if step.name != "none"
        }
        self.walk_seconds: dict[str, list[float]] = defaultdict(list)

    def _built(self, name: str, **masks: float | None) -> Refinement:
        """Return a refinement as the run would build it with other values of ``masks``."""
        recipe = self.recipe.model_copy(update={"masks": self.recipe.masks.model_copy(update=masks)})
        device = torch.device("cpu")
        (step,) = build_refinements(recipe, (name,), layout=self.run, regions=self.regions, device=device)
        return step

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a method."""
        for record in self.split.records:
            for kind in self.asked.maps:
                self._walk(kind, record)
        rows = []
        for maps in (Maps(kind, share) for kind in self.asked.maps for share in self.asked.shares):
            background, swept = self._background(maps), self._swept(maps)
            counted = self._refined(maps, background)
            rows += [self._row(maps, background, step, counted[step], swept) for step in self.asked.steps]
        return rows

    def _walk(self, kind: str, record: ImageRecord) -> None:
        """Keep the mean of an image's maps and of the walked ones for every share, and note what the walk took."""
        if self.walk is None:
            return
        image, maps = read_image(record.image_path), self._stored(Maps(kind, 0), record)
        cam = torch.from_numpy(maps.cam)
        started = time.perf_counter()
        walked = _refine(self.walk, image, cam, record)
        self.walk_seconds[kind].append(time.perf_counter() - started)
        for share in filter(None, self.asked.shares):
            mean = mean_with_walked(cam, walked, share=share)
            write_cam(self._path(Maps(kind, share), record), mean.numpy(), maps.label_ids, dtype=self.recipe.cams.dtype)

    def _stored(self, maps: Maps, record: ImageRecord) -> CamFile:
        if maps.share:
            return read_cam(self._path(maps, record))
        return read_maps(self.run, record, kind=maps.kind, regions=self.regions)

    def _path(self, maps: Maps, record: ImageRecord) -> Path:
        return self.scratch / maps.kind / f"{maps.share}" / f"{record.image_id}.npz"

    def _background(self, maps: Maps) -> float:
        """Return Otsu's threshold, as stage 4 finds it."""
        tagged = evenly_spaced([record for record in self.split.records if record.tags], OTSU_IMAGES)
        found = otsu_background(self._stored(maps, record) for record in tagged)
        return self.recipe.masks.background_score if found is None else found

    def _swept(self, maps: Maps) -> ThresholdPoint:
        sweep = BackgroundSweep(self.split.classes.label_names, self.recipe.evaluation.background_scores)
        for record in self.split.records:
            sweep.update(self._stored(maps, record), _truth(record))
        return best(sweep.points())

    def _refined(self, maps: Maps, background: float) -> dict[Step, Row]:
        """Cut the maps of every image, let every step follow, and count."""
        rows = {step: Row(ConfusionMatrix(self.split.classes.num_labels)) for step in self.asked.steps}
        for record in self.split.records:
            image, truth, stored = read_image(record.image_path), _truth(record), self._stored(maps, record)
            scores = label_scores(torch.from_numpy(stored.cam), background)
            for step, row in rows.items():
                started = time.perf_counter()
                refined = _refine(self.steps[step], image, scores, record) if step in self.steps else scores
                row.seconds.append(time.perf_counter() - started)
                labels = PseudoMask.from_scores(refined, stored.label_ids).labels
                row.matrix.update(labels, truth, name=record.image_id)
        return rows

    def _row(self, maps: Maps, background: float, step: Step, row: Row, swept: ThresholdPoint) -> dict[str, Any]:
        scores = compute_scores(row.matrix, self.split.classes.label_names)
        seconds = sum(row.seconds) + (sum(self.walk_seconds[maps.kind]) if maps.share else 0)
        alone = step.name == "none"
        return {
            "maps": maps.kind,
            "walk_share": maps.share,
            "steps": [*(["walk"] if maps.share else []), *([] if alone else [step.name])],
            "crf_temperature": step.temperature,
            "background_score": background,
            "mean_iou": scores.mean_iou,
            "precision": scores.precision,
            "recall": scores.recall,
            "seconds_an_image": seconds / len(self.split.records),
            "best_background_score": swept.background_score if alone else None,
            "best_mean_iou": swept.scores.mean_iou if alone else None,
        }


def _refine(step: Refinement, image: Image, scores: Tensor, record: ImageRecord) -> Tensor:
    return refine_in_order(image, scores, step.prepare([image], [record]))


def _truth(record: ImageRecord) -> LabelMap:
    assert record.mask is not None
    return record.mask.read()


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| maps | walked share | refined by | background | mIoU | precision | recall | s an image | best of a sweep |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        swept = (
            ""
            if row["best_mean_iou"] is None
            else f"{100 * row['best_mean_iou']:.1f} at {row['best_background_score']:.2f}"
        )
        cells = [
            row["maps"],
            f"{row['walk_share']:g}",
            ", ".join(_named(step, row["crf_temperature"]) for step in row["steps"]) or "nothing",
            f"{row['background_score']:.2f}",
            *(f"{100 * row[score]:.1f}" for score in ("mean_iou", "precision", "recall")),
            f"{row['seconds_an_image']:.2f}",
            swept,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _named(step: str, temperature: float | None) -> str:
    if step != "crf":
        return step
    return "crf of labels" if temperature is None else f"crf of softmax, {temperature:g}"


def share(text: str) -> float:
    """Read a share of the walked maps."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a share lies in [0, 1], got {text}")
    return value


def crf_start(text: str) -> float | None:
    """Read what the CRF starts from: labels (None), or the softmax of the scores over a temperature."""
    if text == "labels":
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"the CRF starts from 'labels' or has a temperature above 0, got {text}")
    return value


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run folder with ground truth; an affinity network to walk")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="look at every Nth image")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    parser.add_argument("--maps", nargs="+", metavar="KIND", help="network, averaged, affinity; all of the run")
    parser.add_argument(
        "--shares", nargs="+", type=share, metavar="S", help="of the walked maps; 0 and the recipe's masks.walk_share"
    )
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS, help="what follows the cut; all")
    parser.add_argument(
        "--crf-starts", nargs="+", type=crf_start, metavar="START", help="labels, or a temperature; the recipe's"
    )
    default = Path(__file__).parent / "results" / "mask_methods.json"
    parser.add_argument("--out", type=Path, default=default)
    return parser.parse_args(words)


def what_is_asked(options: argparse.Namespace, recipe: Recipe) -> Asked:
    """Fill what no option names from the recipe of the run; what is named twice is measured once."""
    starts = options.crf_starts or [recipe.masks.crf_temperature]
    named = [Step(name, start) for name in options.steps for start in (starts if name == "crf" else [None])]
    return Asked(
        maps=tuple(dict.fromkeys(options.maps or recipe.cams.kinds)),
        shares=tuple(dict.fromkeys(options.shares or [0.0, recipe.masks.walk_share])),
        steps=tuple(dict.fromkeys(named)),
    )


def measured(run: RunFolder, recipe: Recipe, *, every: int) -> Split:
    """Return every Nth image, those without ground truth left out."""
    split = read_splits(recipe.data, drawn=run.drawn_data).evaluation
    assert split is not None, "no image of the run has ground truth"
    records = without_bad_files(split, run.read_manifest()["data"]).records[::every]
    return replace(split, records=tuple(record for record in records if record.mask))


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    torch.set_num_threads(1)
    run = RunFolder(options.run)
    recipe = load_run_recipe(options.run / "recipe.toml", options.set)
    split, trained = measured(run, recipe, every=options.every), run.read_manifest()["stages"].get("train_affinity")
    with tempfile.TemporaryDirectory() as scratch:
        rows = Comparison(run, recipe, split, what_is_asked(options, recipe), scratch=Path(scratch)).rows()
    receipt = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "split": split.name,
        "images": len(split.records),
        "every": options.every,
        "affinity_training_minutes": round(trained["details"]["time_s"] / 60, 1) if trained else None,
        "threads": 1,
        **this_machine(),
    }
    options.out.write_text(json.dumps({**receipt, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print(
        f"{receipt['images']} images of '{split.name}', one thread; the affinity network took "
        f"{receipt['affinity_training_minutes']} min once\n"
    )
    print(table(rows))


if __name__ == "__main__":
    main()
