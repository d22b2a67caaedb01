"""Let many faults happen: ``python -m faults.run --seeds 0 1 --count 100 --json FILE``; called again, it goes on."""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kit.rows import Row, add_row, read_rows

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def main() -> int:
    asked = argparse.ArgumentParser(prog="faults.run", description=__doc__)
    asked.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    asked.add_argument("--count", type=int, default=100, help="faults of each seed")
    asked.add_argument("--json", type=Path, help="one line a fault; faults in it do not happen again")
    asked.add_argument("--kinds", nargs="+", help="only these; all by default")
    asked.add_argument("--fixed", action="store_true", help="the short set of the tests, in the place of drawn ones")
    asked.add_argument("--most-seconds", type=float, default=float("inf"), help="begin no fault after so long")
    words = asked.parse_args()
    # Before torch is imported: one thread and no GPU, so that a process that has run it can be forked.
    os.environ.update(ONE_THREAD, CUDA_VISIBLE_DEVICES="")
    done = read_rows(words.json)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        for row in _happen(Path(folder), words, {(row["seed"], row["number"]) for row in done}):
            done.append(row)
            add_row(words.json, row)
    return _summary(done)


def _happen(folder: Path, words: argparse.Namespace, done: set[tuple[int, int]]) -> Iterator[Row]:
    """Yield what came of each fault that has not happened yet, and print it."""
    began = time.monotonic()
    import torch

    from faults.drive import RIGHT, Harness
    from faults.fixed import FIXED_SET
    from faults.kinds import possible_kinds

    torch.set_num_threads(1)
    kinds = words.kinds or possible_kinds()
    wanted = [(seed, number) for number in range(words.count) for seed in words.seeds]
    wanted = [(0, number) for number in range(len(FIXED_SET))] if words.fixed else wanted
    left = [each for each in wanted if each not in done]
    print(f"{len(wanted)} faults of {len(kinds)} kinds, {len(left)} of them still to happen", flush=True)
    if not left:
        return
    harness = Harness(folder)
    first = time.monotonic()
    print(f"an undisturbed run writes {harness.writes} files ({first - began:.0f} s)", flush=True)
    for place, (seed, number) in enumerate(left):
        if time.monotonic() - began > words.most_seconds:
            return
        if words.fixed:
            drawn = FIXED_SET[number].drawn(number, writes=harness.writes)
        else:
            drawn = harness.draw(seed, number, kinds=kinds)
        fault = harness.happen(drawn)
        rest_min = (time.monotonic() - first) / (place + 1) * (len(left) - place - 1) / 60
        what = f"{fault.kind}, {fault.moment}" + (f": {fault.struck}" if fault.struck else "")
        print(f"{seed}.{number} {fault.outcome} ({fault.seconds:.0f} s, {rest_min:.0f} min left): {what}", flush=True)
        if fault.outcome not in RIGHT:
            print("\n".join(f"    {line}" for line in [*fault.said, *fault.differs]), flush=True)
        yield fault.to_dict()


def _summary(rows: list[Row]) -> int:
    """Print the outcomes of each seed; return the exit code, 1 when one is wrong."""
    for seed in sorted({row["seed"] for row in rows}):
        counts = Counter(row["outcome"] for row in rows if row["seed"] == seed)
        print(f"seed {seed}: {', '.join(f'{count} {name}' for name, count in counts.most_common())}")
    return 1 if any(row["outcome"] not in ("equal", "told") for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
