"""Collect the scores of finished runs into one Markdown table, runs that differ in their seed only as one row.

python benchmarks/collect_results.py runs --out docs/results.md
"""

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCORES = ("mean_iou", "precision", "recall")
HEADER = """# Results

Written by `make docs-results` from the runs on this machine; do not edit. Per cent, seeds at the best background score
of the sweep; the mean over seeds, with the standard deviation of the mIoU where there are several. Every run folder
holds the recipe, the versions and the commit behind its row.
"""


def finished_runs(root: Path) -> list[dict[str, Any]]:
    """Return name, seed, commit and scores of every scored run below ``root``, in the order of their paths."""
    found = []
    for path in sorted(root.rglob("scores.json")):
        scores = json.loads(path.read_text(encoding="utf-8"))
        manifest = json.loads((path.parent / "manifest.json").read_text(encoding="utf-8"))
        if scores["seeds"]:
            name, commit = manifest["recipe"]["name"], manifest["environment"]["commit"] or "unknown"
            found.append({"name": name, "seed": manifest["seed"], "commit": commit[:10], **scores})
    return found


def result_rows(runs: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return one row per (recipe name, split, number of images, kind of maps), the mean over its runs."""
    groups: dict[tuple[str, str, int, str], list[tuple[dict[str, Any], dict[str, Any]]]] = defaultdict(list)
    for run in runs:
        for kind, swept in run["seeds"].items():
            groups[run["name"], run["split"], run["images"], kind].append((run, swept["best"]))
    rows = []
    for (name, split, images, kind), members in sorted(groups.items()):
        points = [best for _, best in members]
        means = [statistics.fmean(100 * (point[score] or 0.0) for point in points) for score in SCORES]
        spread = statistics.stdev(100 * point["mean_iou"] for point in points) if len(points) > 1 else None
        figures = [f"{means[0]:.1f}" + (f" ± {spread:.1f}" if spread is not None else "")]
        figures += [f"{mean:.1f}" for mean in means[1:]]
        cuts = sorted({f"{point['background_score']:.2f}" for point in points})
        seeds = ", ".join(str(seed) for seed in sorted(run["seed"] for run, _ in members))
        commits = ", ".join(sorted({run["commit"] for run, _ in members}))
        rows.append([name, f"{split} ({images})", kind, seeds, " ".join(cuts), *figures, commits])
    return rows


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder with run folders, at any depth")
    parser.add_argument("--out", type=Path, required=True, help="the Markdown page to write")
    asked = parser.parse_args()
    rows = result_rows(finished_runs(asked.root))
    if not rows:
        parser.error(f"no scored run below {asked.root}; run 'make demo' first")
    columns = ("recipe", "split (images)", "maps", "seeds", "background", "mIoU", "precision", "recall", "commit")
    asked.out.write_text(f"{HEADER}\n{markdown_table(columns, rows)}", encoding="utf-8")
    print(f"{len(rows)} rows: {asked.out}")


if __name__ == "__main__":
    main()
