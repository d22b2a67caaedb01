"""Fuzz every reader: ``python -m fuzz.run --seed 1 --count 200000 --json FILE``; called again, it goes on.

Every input is a changed copy of a small file that its reader knows. A reader answers with its result or with an error
of the project that names the file; anything else is a finding: another exception, a signal, more than 5 s of a
processor, more than 2 GB, words printed past us. A finding is saved as a file, and is found again by

    PYTHONPATH=tests python -m fuzz.run --reader NAME --file FILE
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kit.rows import Row, add_row, read_rows

from fuzz.batch import Finding, as_json, digest, fuzz, input_of, read_files
from fuzz.reader import Reader
from fuzz.readers import READERS

CORPUS = Path(__file__).parent / "corpus"
"""Files that were findings once, in a folder for each reader."""

PORTION = 2000
"""Inputs of a reader that are tried in one go, divided by its cost: what a stop loses at most."""


def main(words: list[str] | None = None) -> int:
    """Fuzz, print, and return 1 where something was found."""
    options = _options(words)
    chosen = [READERS[name] for name in options.reader or READERS]
    if options.file:
        found = [finding for reader in chosen for finding in read_files(reader, options.file)]
        for finding in found:
            print(f"{finding.reader} {options.file[finding.index]}: {finding.what}\n{finding.trace}")
        print(f"{len(options.file)} files, {len(found)} findings")
        return 1 if found else 0
    shares = counts_of(chosen, options.count)
    wanted = [
        (reader, *portion) for reader in chosen for portion in portions(reader, shares[reader.name], options.first)
    ]
    known = {_name(row): row for row in read_rows(options.json)}
    names = [{"seed": options.seed, "reader": each.name, "first": at, "inputs": count} for each, at, count in wanted]
    done = {_name(name): known[_name(name)] for name in names if _name(name) in known}
    clock = _Clock(
        [
            (reader.name, count * reader.cost, _name(name) in done)
            for (reader, _, count), name in zip(wanted, names, strict=True)
        ],
        quiet=options.quiet,
    )
    for (reader, first, count), name in zip(wanted, names, strict=True):
        if _name(name) in done:
            continue
        began = time.monotonic()
        found = _findings(reader, first, count, options, clock)
        _tell(reader, found, folder=options.out)
        row = {**name, "seconds": time.monotonic() - began, "findings": [as_json(finding) for finding, _ in found]}
        done[_name(name)] = row
        add_row(options.json, row)
    clock.end()
    return 1 if _summary(shares, list(done.values())) else 0


def portions(reader: Reader, count: int, first: int) -> Iterator[tuple[int, int]]:
    """Yield first input and number of inputs of each portion of a reader's inputs."""
    step = max(1, PORTION // reader.cost)
    for at in range(0, count, step):
        yield first + at, min(step, count - at)


def _name(row: Row) -> tuple[Any, ...]:
    return tuple(row[key] for key in ("seed", "reader", "first", "inputs"))


def _findings(
    reader: Reader, first: int, count: int, options: argparse.Namespace, clock: "_Clock"
) -> list[tuple[Finding, bytes]]:
    """Return what one reader answers wrongly, with the inputs: files of the corpus, then changed copies."""
    corpus = corpus_of(reader)
    seeds = [*reader.seeds(), *(path.read_bytes() for path in corpus)]
    known = read_files(reader, corpus) if first == 0 and corpus else []

    def told(done: int) -> None:
        clock.advance(reader, done)

    found = fuzz(reader, seeds, seed=options.seed, first=first, count=count, told=told)
    return [
        *((finding, corpus[finding.index].read_bytes()) for finding in known),
        *((finding, input_of(reader, seeds, seed=options.seed, index=finding.index)) for finding in found),
    ]


def counts_of(readers: list[Reader], count: int) -> dict[str, int]:
    """Return the inputs of each reader: as many as there is time for, in all at least as many as asked for."""
    whole = sum(1 / reader.cost for reader in readers)
    return {reader.name: max(1, round(count / reader.cost / whole)) for reader in readers}


def corpus_of(reader: Reader) -> list[Path]:
    """Return the files of the corpus of a reader."""
    return sorted(path for path in (CORPUS / reader.name).glob("*") if path.is_file())


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers")
    parser.add_argument("--count", type=int, default=10_000, help="inputs, over all readers")
    parser.add_argument("--first", type=int, default=0, help="index of each reader's first input")
    parser.add_argument("--reader", action="append", choices=list(READERS), help="one reader; may be repeated")
    parser.add_argument("--file", action="append", type=Path, help="read this file instead, with --reader")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"), help="folder for what is found")
    parser.add_argument("--json", type=Path, help="one line a portion; portions in it are not tried again")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    return parser.parse_args(words)


def _tell(reader: Reader, found: list[tuple[Finding, bytes]], *, folder: Path) -> None:
    """Print one finding of each kind, and save its input."""
    kinds: dict[str, list[bytes]] = {}
    for finding, content in found:
        kinds.setdefault(finding.what, []).append(content)
    for what, contents in kinds.items():
        smallest = min(contents, key=len)
        path = folder / reader.name / digest(smallest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(smallest)
        print(f"\n{reader.name}: {what} ({len(contents)} times)")
        print(f"    PYTHONPATH=tests python -m fuzz.run --reader {reader.name} --file {path}", flush=True)


def _summary(shares: dict[str, int], rows: list[Row]) -> int:
    """Print what each reader was given and what was found, and return the number of findings."""
    spent: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for row in rows:
        spent[row["reader"]] += row["seconds"]
        counts[row["reader"]] += len(row["findings"])
    for name, count in shares.items():
        print(f"{name:22} {count:8,} inputs {spent[name]:7.1f} s {counts[name]:6,} findings")
    whole, found = sum(shares.values()), counts.total()
    print(f"{whole:,} inputs over {len(shares)} readers in {spent.total():.0f} s: {found} findings")
    return found


class _Clock:
    """Says how far the work is, and how long the rest takes: in one line on a screen, a line a minute elsewhere.

    Args:
        parts: name, cost and whether it is done, of each portion.
        quiet: say nothing.
    """

    def __init__(self, parts: list[tuple[str, int, bool]], *, quiet: bool) -> None:
        self._whole = sum(cost for _, cost, _ in parts)
        self._before = self._done = sum(cost for _, cost, is_done in parts if is_done)
        self._quiet, self._on_screen = quiet, sys.stderr.isatty()
        self._start = self._last = time.monotonic()
        if self._before and not quiet:
            print(f"{self._before / self._whole:.1%} were tried before", file=sys.stderr, flush=True)

    def advance(self, reader: Reader, count: int) -> None:
        self._done += count * reader.cost
        now = time.monotonic()
        if self._quiet or self._done == self._before or now - self._last < (0.5 if self._on_screen else 60):
            return
        self._last = now
        left_s = (now - self._start) / (self._done - self._before) * (self._whole - self._done)
        line = f"{self._done / self._whole:6.1%}  {reader.name:22}  {left_s / 60:5.1f} min left"
        start, end = ("\r", " ") if self._on_screen else ("", "\n")
        print(f"{start}{line}", end=end, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._on_screen and not self._quiet:
            print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
