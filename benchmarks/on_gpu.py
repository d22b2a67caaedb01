"""All evidence of the method in one command: from a folder of data under 60 MiB, in a box of time, on a GPU or a CPU.

    python benchmarks/on_gpu.py pack ../shared/data/voc2012_animals runs/pack --tiles ../shared/data/magnetic_tiles
    python benchmarks/on_gpu.py run runs/pack --minutes 12 --json runs/on_gpu.json

``pack`` shrinks the photographs until they fit under the limit beside the weights, which are compressed without loss:
those of ``../../weights`` as seen from the data set, or of ``--weights``. The tiles stay as they are; where there is no
room for them, ``pack`` says so, and packs them alone when they are named as the data set. The scores are those of the
shrunk photographs: compare rows of packs of one size only.

``run`` goes through the units of ``gpu_units.py`` in their order: agreement of maps and masks with the CPU; images a
second and memory of each kind of step; the ninety photographs of ``small_set.py``; maps on VOC-animals with plain CAM
beside them; the whole pipeline with the upper bound; the tiles. Every unit goes through the package, in a process that
ends with the box. Its row of the JSON is there as soon as it is done, with its scores or the sentence of its error. The
same call again skips what has scores and goes on with the rest, in the middle of a stage too as long as ``--out`` is
there. At the end it lists the units that were not reached, with their commands. ``--tiny`` shows that all of it runs,
on any CPU in a minute: its scores mean nothing.

On a lent machine without a network, to which a checkout travels
----------------------------------------------------------------

It has torch and most of what tagseg needs; what it lacks travels as wheels, and the package is imported from ``src``.
Here, in the root of the checkout, with the versions of ``constraints.txt`` and the Python of that machine::

    echo /.gpu/ >> .git/info/exclude
    python benchmarks/on_gpu.py pack ../shared/data/voc2012_animals .gpu/voc --max-mib 53 --weights MOBILENETV2
    python benchmarks/on_gpu.py pack ../shared/data/magnetic_tiles .gpu/tiles --max-mib 53 --weights EFFICIENTNET
    python -m pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \\
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 -d .gpu/wheels pydantic==... \\
        pydantic-core==... typing-inspection annotated-types lightning-fabric segmentation-models-pytorch pycocotools

Of a limit of 64 MiB the checkout takes 5 and the wheels 4. Two packs leave the photographs twice the bytes of one with
all weights (240 px, not about 170): they travel one after the other, and the first one waits on the machine. The first
call carries ``.gpu/wheels`` and ``.gpu/voc``; $OUT is what comes back::

    python3 -m pip install -q --no-index --no-deps --target /tmp/site .gpu/wheels/*.whl; cp -r .gpu/voc /tmp;
    PYTHONUNBUFFERED=1 PYTHONPATH=src:/tmp/site python3 benchmarks/on_gpu.py run /tmp/voc --minutes 5
    --out /tmp/on_gpu --json $OUT/rows.json --commit THE_COMMIT_THAT_TRAVELS

The second call, while the machine is warm, carries ``.gpu/tiles`` and goes on where the first one ended, in the middle
of a stage too: /tmp/on_gpu stays, with a copy of all rows, though $OUT begins empty::

    PYTHONUNBUFFERED=1 PYTHONPATH=src:/tmp/site python3 benchmarks/on_gpu.py run /tmp/voc .gpu/tiles --minutes 6
    --out /tmp/on_gpu --json $OUT/rows.json --commit THE_COMMIT_THAT_TRAVELS

On a fresh machine what is left are the rows: put the file that came back at ``.gpu/rows.json``, carry it too, and begin
the command with ``cp .gpu/rows.json $OUT;``. Units with scores are skipped, one that was half done begins anew.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpu_data import Packs
from gpu_pack import MIB, folder_bytes, pack
from gpu_rows import GOES_ON, Rows, head
from gpu_units import Unit, chosen, table

from tagseg.cli.console import print_error
from tagseg.errors import DataError, TagsegError

AT_WORK = "at_work.txt"
"""In the folder where the units work: the name of the one at work."""
PATIENCE_S = 10.0
"""For a process that was asked to end."""


def pack_data(asked: argparse.Namespace) -> int:
    beside = asked.root.resolve().parents[1] / "weights"
    weights = sorted(beside.glob("*.safetensors")) if asked.weights is None else asked.weights
    about = pack(asked.root, asked.out, max_mib=asked.max_mib, tiles=asked.tiles, weights=weights)
    print(json.dumps(about, indent=1))
    print(f"{asked.out}: {folder_bytes(asked.out) / MIB:.1f} MiB of {asked.max_mib:g}")
    return 0


def run_box(asked: argparse.Namespace) -> int:
    """Run units until all have a row or the time is up; the exit code is 0 in both cases."""
    ends_at, at_work = time.monotonic() + 60 * asked.minutes, asked.out / AT_WORK
    units, about = open_box(asked)
    lacking = {unit.name: lack for unit in units if (lack := unit.lacks(about))}
    todo = left_to_do([unit for unit in units if unit.name not in lacking], asked, about=about)
    code = 0
    while todo and (left_s := ends_at - time.monotonic()) > 0:
        at_work.unlink(missing_ok=True)
        code = run_worker(asked, todo, left_s=left_s)
        if code in (None, 0):
            break
        if not at_work.exists():  # it ended before any unit, and has said why
            break
        todo = after_broken(todo, at_work.read_text(), asked, about=about, code=code)
    list_left(asked, units, lacking)
    return code if code and not at_work.exists() else 0


def open_box(asked: argparse.Namespace) -> tuple[list[Unit], dict[str, Any]]:
    """Return the units that were asked for, and what the packs say of themselves.

    Raises:
        DataError: when there is no whole pack, no unit of a name, or another file in the place of the rows.
    """
    packs = Packs.read(asked.pack)
    Rows.read(asked.json, out=asked.out)
    try:
        units = chosen(table(tiny=asked.tiny), asked.only)
    except ValueError as error:
        raise DataError(str(error), help="take names of this list for --only") from error
    return units, packs.about


def left_to_do(units: Sequence[Unit], asked: argparse.Namespace, *, about: dict[str, Any]) -> list[Unit]:
    """Return the units that have no row with scores on this data; of rows of another device the worker will speak."""
    rows = Rows.read(asked.json, out=asked.out)
    if asked.device not in ("auto", rows.machine.get("device")):
        return list(units)
    done = [unit for unit in units if rows.done(unit.name, about[unit.data])]
    for unit in done:
        print(f"{unit.name}: skipped (it has a row)", flush=True)
    return [unit for unit in units if unit not in done]


def run_worker(asked: argparse.Namespace, units: Sequence[Unit], *, left_s: float) -> int | None:
    """Run units in another process, and return its exit code, None when the time was up."""
    words = [sys.executable, __file__, "work", *_words(asked), "--only", *(unit.name for unit in units)]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        try:
            return process.wait(timeout=left_s)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.terminate()
            try:
                process.wait(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
            return None


def after_broken(
    todo: list[Unit], name: str, asked: argparse.Namespace, *, about: dict[str, Any], code: int | None
) -> list[Unit]:
    """Return the units behind the one at which a process ended, whose row says so."""
    (position,) = (index for index, unit in enumerate(todo) if unit.name == name)
    rows = Rows.read(asked.json, out=asked.out)
    if code != GOES_ON:  # else the row holds the error already
        error = f"its process ended with exit code {code}"
        found = {"minutes": None, "peak_mib": {}, "scores": {}, "error": error}
        rows.add({**head(todo[position], rows.machine, about), **found})
        print(f"{name}: failed ({error})", flush=True)
    return todo[position + 1 :]


def list_left(asked: argparse.Namespace, units: Sequence[Unit], lacking: dict[str, str]) -> None:
    """Write and print which units have no row, why, and the command of each."""
    rows, at_work = Rows.read(asked.json, out=asked.out), asked.out / AT_WORK
    stopped = at_work.read_text() if at_work.exists() else ""
    known = {row["name"] for row in rows.rows}
    rows.not_reached = [
        {
            "name": unit.name,
            "why": lacking.get(unit.name) or ("stopped by the time, goes on" if unit.name == stopped else "no time"),
            "command": f"python benchmarks/on_gpu.py run PACK --json FILE --minutes MINUTES --only {unit.name}",
        }
        for unit in units
        if unit.name not in known
    ]
    rows.write()
    failed = [row for row in rows.rows if row["error"]]
    print(f"\n{len(rows.rows) - len(failed)} rows in {asked.json}, {len(failed)} of units that failed")
    for row in failed:
        print(f"  {row['name']}: {row['error']}")
    for left in rows.not_reached:
        print(f"not reached: {left['name']} ({left['why']})\n  {left['command']}")


def work(asked: argparse.Namespace) -> int:
    from gpu_work import work as work_here  # torch

    return work_here(chosen(table(tiny=asked.tiny), asked.only), asked, at_work=asked.out / AT_WORK)


def _words(asked: argparse.Namespace) -> list[str]:
    """Return the arguments of ``run`` for the process that works."""
    places = [*map(str, asked.pack), "--json", str(asked.json), "--out", str(asked.out)]
    return [*places, "--device", asked.device, "--commit", asked.commit, *(["--tiny"] if asked.tiny else [])]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="pack|run")
    packing = commands.add_parser("pack", help="shrink a data set until it fits")
    packing.add_argument("root", type=Path, help="data set in VOC's layout with image_tags.csv, or the tiles alone")
    packing.add_argument("out", type=Path, help="the pack")
    packing.add_argument("--max-mib", type=float, default=60.0, help="limit of all files together")
    packing.add_argument("--tiles", type=Path, help="folder with train and test, taken along when it fits")
    packing.add_argument("--weights", type=Path, nargs="*", help="weights files, instead of those beside the data")
    packing.set_defaults(do=pack_data)
    box = commands.add_parser("run", help="run the units in a box of time")
    for running, do in ((box, run_box), (commands.add_parser("work"), work)):
        running.add_argument("pack", type=Path, nargs="+", help="one or more, which together hold the data")
        running.add_argument("--json", type=Path, required=True, help="file of rows")
        running.add_argument("--minutes", type=float, default=12.0, help="all of it ends after so many")
        running.add_argument("--device", choices=("auto", "cpu"), default="auto")
        running.add_argument("--tiny", action="store_true", help="a budget that only shows that it runs")
        running.add_argument("--only", nargs="+", default=[], metavar="UNIT", help="these units alone")
        running.add_argument("--out", type=Path, default=Path("runs/on_gpu"), help="where the units work")
        running.add_argument("--commit", default="", help="of the source, where git cannot tell")
        running.set_defaults(do=do)
    return parser.parse_args()


def main() -> int:
    asked = parse_arguments()
    try:
        return asked.do(asked)
    except TagsegError as error:
        print_error(error.problem, help=error.help)
        return 2


if __name__ == "__main__":
    sys.exit(main())
