"""How long each stage takes in two checkouts of tagseg, at one budget: so that no capability slows what was there.

    git worktree add ../before COMMIT
    python benchmarks/stage_times.py ../before . --json benchmarks/results/stage_times.json

Both run one recipe on the same drawn photographs, in turns, so that noise of the machine hits both; the first round
warms up and is left out. Seconds are those of the manifest, the median over the rounds; torch has one thread. The
recipe names only keys that both have; a stage of one alone is left out. The exit code is 1 when a stage takes more than
1.2 times what it took before.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from this_machine import commit, this_machine

from tagseg.data.drawn_pictures import write_dataset

BAR = 1.2
LEAST_SECONDS = 1.0
"""A stage below this is listed, and not held to the bar: what it takes is noise."""

RECIPE = """\
name = "stages"
seed = 0

[data]
format = "folder"
root = "{photographs}"

[classifier]
backbone = "mobilenetv2_100"
weights = "random"
output_stride = 16

[suppression]
enabled = true

[reconstruction]
enabled = true

[self_modulation]
enabled = true
warmup_epochs = 1

[training]
epochs = 2
batch_size = 8
crop_size_px = 224
long_side_px = [224, 320]
validation_images = 8

[cams]
scales = [0.5, 1.0]
flip = true

[affinity]
epochs = 2
batch_size = 8
crop_size_px = 224
long_side_px = [224, 320]

[masks]
refine = ["walk", "crf"]

[segmenter]
weights = "random"
epochs = 2
batch_size = 8
crop_size_px = 224
long_side_px = [224, 320]
validation_images = 8
"""

COMMAND = "from tagseg.cli.main import app_main; app_main()"


def run_stages(checkout: Path, recipe: Path, out: Path) -> dict[str, float]:
    """Run all stages in a checkout, in a new folder, and return the seconds of each, as its manifest has them."""
    shutil.rmtree(out, ignore_errors=True)
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve() / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", COMMAND, "run", str(recipe), "--out", str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{checkout}: 'tagseg run' failed:\n{done.stdout}\n{done.stderr}")
    stages = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["stages"]
    return {name: float(stage["details"]["time_s"]) for name, stage in stages.items()}


def compare(rounds: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> list[dict[str, float | str]]:
    """Return a row a stage: seconds before and now, and how many times slower it is, each the median over rounds.

    The times are those inside a round, so they need not be the quotient of the two medians.

    >>> compare([({"report": 2.0}, {"report": 3.0}), ({"report": 4.0}, {"report": 4.0})])
    [{'stage': 'report', 'before_s': 3.0, 'now_s': 3.5, 'times': 1.25, 'bar': 'missed'}]
    """
    rows: list[dict[str, float | str]] = []
    for stage in (name for name in rounds[0][0] if name in rounds[0][1]):
        before, now = (statistics.median(each[side][stage] for each in rounds) for side in (0, 1))
        times = statistics.median(now_of[stage] / before_of[stage] for before_of, now_of in rounds)
        held = before >= LEAST_SECONDS or now >= LEAST_SECONDS
        bar = ("met" if times <= BAR else "missed") if held else "not held to it"
        seconds = {"before_s": round(before, 2), "now_s": round(now, 2)}
        rows.append({"stage": stage, **seconds, "times": round(times, 3), "bar": bar})
    return rows


def main() -> None:
    """Run both checkouts in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="a checkout of the earlier version")
    parser.add_argument("now", type=Path, help="a checkout of this version")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--side", type=int, default=224, help="of a photograph, px")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where the record goes")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tagseg-stages-") as scratch:
        root, recipe = Path(scratch, "photographs"), Path(scratch, "stages.toml")
        write_dataset(root, num_images=asked.images, size=(asked.side, asked.side))
        recipe.write_text(RECIPE.format(photographs=root), encoding="utf-8")
        rounds = [
            (run_stages(asked.before, recipe, Path(scratch, "b")), run_stages(asked.now, recipe, Path(scratch, "n")))
            for _ in range(asked.rounds + 1)
        ][1:]
    rows = compare(rounds)
    for row in rows:
        print(
            f"{row['stage']:17} {row['before_s']:7.2f} s  {row['now_s']:7.2f} s  {row['times']:.2f} times  {row['bar']}"
        )
    if asked.json:
        budget = {"images": asked.images, "side_px": asked.side, "rounds": asked.rounds}
        commits = {"before": commit(asked.before), "now": commit(asked.now)}
        record = {**budget, "machine": this_machine(), **commits, "rows": rows}
        asked.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    sys.exit(any(row["bar"] == "missed" for row in rows))


if __name__ == "__main__":
    main()
