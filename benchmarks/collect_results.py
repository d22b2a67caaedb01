"""Collect the scores of finished runs into one Markdown page with the receipt of every number.

python benchmarks/collect_results.py runs --out docs/results.md --record benchmarks/results/seeds.json
python benchmarks/collect_results.py benchmarks/results/seeds.json --out docs/results.md
python benchmarks/collect_results.py benchmarks/results/seeds.json runs/new --out docs/results.md --record ...

Of several sources a later one replaces the runs of the same name and seed in those before it; where the seeds are the
same to the last digit they keep the receipt of the run that made them first. A record holds what the page needs of each
run and no path of the machine, so that the page can be made again without the run folders.
"""

import argparse
import json
import statistics
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tagseg.artifacts.run_scores import SEGMENTER, RunScores
from tagseg.artifacts.scores_file import read_scores, scores_content

RECIPES = Path(__file__).resolve().parents[1] / "src" / "tagseg" / "recipes"
SCORES = ("mean_iou", "precision", "recall")
LOCAL = ("name", "seed", "superpixels.cache", "data.root")
MAP_STAGES, MASK_STAGES = ("train_classifier", "extract_cams"), ("train_affinity", "make_masks")
SEGMENTER_STAGES = ("train_segmenter", "predict")
COLUMNS = ("run", "split (images)", "what", "seeds", "background", "mIoU", "precision", "recall", "minutes", "commit")
HEADER = """# Results

Written by `make docs-results` from run folders; do not edit. All scores are per cent. Seeds are at the best background
score of the sweep. Each row is the mean over its seeds, with the standard deviation of the mIoU if there are several.

| word | meaning |
| --- | --- |
| network | the maps as the network gives them |
| averaged | every superpixel at its mean |
| affinity | after region affinity, where the recipe has it: the next stage gets the last kind of the run |
| pseudo masks | as made, at the background score that the run used |
| segmenter | the segmentation network, without tags, taught by the named labels and strategy |

A row is of the recipe as it was at its commit: check that out to repeat the command below the table. What stands
behind a recipe's name says what the run had of its own. `-plain` is CAM without the parts of SSC, and `-full` the
segmenter taught by ground truth. The name of a part has that part alone, `-all` all three. `-drawn` and `-whole` are
`voc2012_animals` as it is now but for the background score, which is Otsu's threshold there: the maps of three seeds,
and runs of every stage. `-lite2` is the same with EfficientNet-Lite2, to the pseudo masks.
`-whole-full` is the segmenter of `-whole` taught by ground truth, `voc2012_animals-full` that of an earlier network.
`-round2` has the maps of `-whole` (seed 0) as its target, and no walk; `-round2-auto` those of seed 2, and the
background score of the rule `auto`. `-with-reconstruction` is `-drawn` with the term of reconstruction as published,
from raw maps, `-with-reconstruction-tagged` from maps of the tags and the background. The masks of both were cut by
`auto`, so only their maps compare. The rows of that recipe without an ending are of earlier days.

Minutes are of wall time: training and extraction for maps; seeds, affinity network and masks of all training images for
pseudo masks; training and prediction for the segmenter. A run that took over its first epochs from the plain run of its
seed counts only its own minutes. The machines were not equally busy, so minutes of two rows do not compare.

No training read ground truth, except that of the runs that end in `-full`. Those are the upper bound: the same
segmentation network taught by ground truth.

Not run by us: full VOC 2012 and COCO 2014. The paper reports 72.7 % and 47.0 % mIoU there, with a ResNet-101. Not
run yet either:

- VOC-animals with the rule `auto` of now: `tagseg run voc2012_animals`.
- Two more seeds of `-lite2`, by its command below.
- Its upper bound with the networks of now, two more seeds: the same with `--set segmenter.labels=truth`.
- All of it on a GPU: `python benchmarks/on_gpu.py`.
- Tiles, a longer training of the segmenter: `tagseg run magnetic_tiles --set segmenter.epochs=20`.
"""


def finished_runs(root: Path) -> list[dict[str, Any]]:
    """Return the record of every scored run below ``root``, in the order of their paths."""
    found = []
    for path in sorted(root.rglob("scores.json")):
        scores = read_scores(path)
        if scores and (scores.seeds or scores.segmenter):
            manifest = json.loads((path.parent / "manifest.json").read_text(encoding="utf-8"))
            found.append(record(scores, manifest))
    return found


def read_source(source: Path) -> list[dict[str, Any]]:
    """Return the runs of a record, or those below a folder."""
    return json.loads(source.read_text(encoding="utf-8")) if source.is_file() else finished_runs(source)


def record(scores: RunScores, manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what the page says of one run."""
    recipe, environment, stages = manifest["recipe"], manifest["environment"], manifest.get("stages", {})
    content = scores_content(scores)
    made, tested = content.get("pseudo_masks"), content[SEGMENTER]
    details = [stages.get(name, {}).get("details", {}) for name in ("train_classifier", "train_segmenter")]
    threads = next((found["threads"] for found in details if "threads" in found), None)
    about = content if scores.seeds else tested
    return {
        "name": recipe["name"],
        "seed": manifest["seed"],
        "commit": (environment["commit"] or "unknown")[:10],
        "minutes": minutes(stages, MAP_STAGES),
        "hardware": f"{environment.get('platform', 'unknown')}, {threads or 'unknown'} CPU thread(s)",
        "command": command(recipe),
        "split": about["split"],
        "images": about["images"],
        "seeds": {kind: {"best": swept["best"]} for kind, swept in (content["seeds"] or {}).items()},
        "pseudo_masks": {"background_score": made["background_score"], **made["masks"]} if made else None,
        "mask_minutes": minutes(stages, MASK_STAGES),
        SEGMENTER: {key: value for key, value in tested.items() if key != "confusion"} if tested else None,
        "segmenter_minutes": minutes(stages, SEGMENTER_STAGES),
    }


def minutes(stages: dict[str, Any], names: Sequence[str]) -> float | None:
    """Return the wall time of some stages, None when none of them ran."""
    seconds = [
        stages[name]["details"]["time_s"] for name in names if "time_s" in stages.get(name, {}).get("details", {})
    ]
    return round(sum(seconds) / 60, 1) if seconds else None


def merged(sources: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Join records; a later run of the same name and seed replaces an earlier one, but for seeds that are the same.

    Then the earlier one keeps its seeds, and has its masks and its segmenter taken over by those of the later one.
    """
    kept: list[dict[str, Any]] = []
    for runs in sources:
        for run in runs:
            same = [old for old in kept if (old["name"], old["seed"]) == (run["name"], run["seed"])]
            known = any(old["seeds"] and run["seeds"] in ({}, old["seeds"]) for old in same)
            if not known:
                kept = [old for old in kept if old not in same]
            else:
                anew = {key: None for key in ("pseudo_masks", SEGMENTER) if run.get(key)}
                kept = [{**old, **anew} if old in same else old for old in kept]
                kept = [old for old in kept if any(old.get(key) for key in ("seeds", "pseudo_masks", SEGMENTER))]
            kept.append({**run, "seeds": {}} if known else run)
    return kept


def command(recipe: dict[str, Any]) -> str:
    """Return the command that repeats a run: its shipped recipe and the values in which it differs."""
    shipped = next((path for path in RECIPES.glob("*.toml") if base_name(recipe["name"]) == path.stem), None)
    if shipped is None:
        return f"a recipe named {recipe['name']}"
    values, base = flat(recipe), flat(tomllib.loads(shipped.read_text(encoding="utf-8")))
    defaults = flat(default_values(shipped))
    # A manifest of tagseg 0.1 has the keys of all data layouts; those of others are not keys of this recipe.
    known = [key for key in values if key in defaults and key not in LOCAL]
    changed = [key for key in known if _without_place(values[key]) != _without_place(base.get(key, defaults[key]))]
    settings = " ".join(f"--set {key}={json.dumps(_without_place(values[key]))}".replace('"', "'") for key in changed)
    return f"tagseg run {shipped.stem} --set seed=SEED {settings}".strip()


def _without_place(value: Any) -> Any:
    """Return a path as the name of its file: where it lies on a machine is nobody's business and changes nothing."""
    return Path(value).name if isinstance(value, str) and "/" in value else value


def base_name(name: str) -> str:
    return name.partition("-")[0]


def default_values(shipped: Path) -> dict[str, Any]:
    from tagseg.recipe import load_recipe  # only real runs need it

    return load_recipe(shipped).model_dump(mode="json")


def flat(values: dict[str, Any]) -> dict[str, Any]:
    """Return nested values under dotted keys."""
    joined: dict[str, Any] = {}
    for key, value in values.items():
        joined |= {f"{key}.{name}": item for name, item in value.items()} if isinstance(value, dict) else {key: value}
    return joined


def result_rows(runs: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return one row per (run name, split, number of images, what is scored), the mean over its seeds."""
    groups: dict[tuple[str, str, int, str], list[tuple[dict[str, Any], dict[str, Any]]]] = defaultdict(list)
    for run in runs:
        points = {kind: swept["best"] for kind, swept in run["seeds"].items()}
        if run.get("pseudo_masks"):
            points["pseudo masks"] = run["pseudo_masks"]
        for kind, point in points.items():
            groups[run["name"], run["split"], run["images"], kind].append((run, point))
        if tested := run.get(SEGMENTER):
            what = f"{SEGMENTER} ({tested['labels']}, {tested['strategy']})"
            groups[run["name"], tested["split"], tested["images"], what].append((run, tested))
    rows = []
    for (name, split, images, kind), members in sorted(groups.items()):
        points = [best for _, best in members]
        means = [statistics.fmean(100 * (point[score] or 0.0) for point in points) for score in SCORES]
        spread = statistics.stdev(100 * point["mean_iou"] for point in points) if len(points) > 1 else None
        figures = [f"{means[0]:.1f}" + (f" ± {spread:.1f}" if spread is not None else "")]
        figures += [f"{mean:.1f}" for mean in means[1:]]
        cuts = sorted({f"{point['background_score']:.2f}" if "background_score" in point else "-" for point in points})
        seeds = ", ".join(str(seed) for seed in sorted(run["seed"] for run, _ in members))
        key = {"pseudo masks": "mask_minutes", SEGMENTER: "segmenter_minutes"}.get(kind.partition(" (")[0], "minutes")
        times = [run[key] for run, _ in members if run[key] is not None]
        taken = f"{statistics.fmean(times):.0f}" if times else "unknown"
        commits = ", ".join(sorted({run["commit"] for run, _ in members}))
        rows.append([name, f"{split} ({images})", kind, seeds, " ".join(cuts), *figures, taken, commits])
    return rows


def class_tables(runs: Sequence[dict[str, Any]]) -> str:
    """Return the IoU of every class of pseudo masks and segmenters, means over the seeds; a table a set of classes."""
    groups: dict[tuple[str, ...], dict[tuple[str, str], list[dict[str, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for run in runs:
        for kind, points in (("pseudo masks", run.get("pseudo_masks")), (SEGMENTER, run.get(SEGMENTER))):
            if points and points.get("iou"):
                groups[tuple(points["iou"])][run["name"], kind].append(points["iou"])
    text = "## IoU of each class\n\n*Classes* is the mean without background.\n\n" if groups else ""
    for names, members in sorted(groups.items()):
        rows = []
        for (run_name, kind), seeds in sorted(members.items()):
            known = {name: [100 * each[name] for each in seeds if each[name] is not None] for name in names}
            means = {name: statistics.fmean(values) for name, values in known.items() if values}
            classes = statistics.fmean(mean for name, mean in means.items() if name != "background")
            shown = (f"{means[name]:.1f}" if name in means else "-" for name in names)
            rows.append([run_name, kind, str(len(seeds)), f"{classes:.1f}", *shown])
        text += markdown_table(("run", "what", "seeds", "classes", *names), rows) + "\n"
    return text


def receipts(runs: Sequence[dict[str, Any]]) -> str:
    """Return the commands and the hardware behind the rows."""
    lines = sorted({f"- **{run['name']}**: `{run['command']}`; {run['hardware']}\n" for run in runs})
    return "## Commands and hardware\n\n" + "".join(lines)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, nargs="+", help="folders with run folders at any depth, or records")
    parser.add_argument("--out", type=Path, required=True, help="the Markdown page to write")
    parser.add_argument("--record", type=Path, help="also write what the page is made of to this JSON file")
    asked = parser.parse_args()
    runs = merged([read_source(source) for source in asked.source])
    if not runs:
        parser.error(f"no scored run below {', '.join(map(str, asked.source))}; run 'make demo' first")
    if asked.record:
        asked.record.parent.mkdir(parents=True, exist_ok=True)
        asked.record.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    page = f"{HEADER}\n{markdown_table(COLUMNS, result_rows(runs))}\n{class_tables(runs)}{receipts(runs)}"
    asked.out.write_text(page, encoding="utf-8")
    print(f"{len(runs)} runs: {asked.out}")


if __name__ == "__main__":
    main()
