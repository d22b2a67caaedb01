"""Fuzz every reader: ``python -m fuzz.run --seed 1 --count 200000``.

Every input is a changed copy of a small file that its reader knows. A reader answers with its result or with an error
of the project that names the file; anything else is a finding: another exception, a signal, more than 5 s of a
processor, more than 2 GB, words printed past us. A finding is saved as a file, and is found again by

    PYTHONPATH=tests python -m fuzz.run --reader NAME --file FILE
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from fuzz.batch import Finding, as_json, digest, fuzz, input_of, read_files
from fuzz.reader import Reader
from fuzz.readers import READERS

CORPUS = Path(__file__).parent / "corpus"
"""Files that were findings once, in a folder for each reader."""


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
    spent: dict[str, float] = {}
    clock = _Clock(sum(shares[reader.name] * reader.cost for reader in chosen), quiet=options.quiet)
    findings: list[Finding] = []
    for reader in chosen:
        began = time.monotonic()
        found = _findings(reader, shares[reader.name], options, clock)
        spent[reader.name] = time.monotonic() - began
        _tell(reader, found, folder=options.out)
        findings += [finding for finding, _ in found]
    clock.end()
    _summary(shares, findings, spent)
    if options.json:
        record = {"seed": options.seed, "first": options.first, "inputs": shares}
        record["findings"] = [as_json(finding) for finding in findings]
        options.json.write_text(json.dumps(record, indent=2) + "\n")
    return 1 if findings else 0


def _findings(reader: Reader, count: int, options: argparse.Namespace, clock: "_Clock") -> list[tuple[Finding, bytes]]:
    """Return what one reader answers wrongly, with the inputs: files of the corpus, then changed copies."""
    corpus, seed, first = corpus_of(reader), options.seed, options.first
    seeds = [*reader.seeds(), *(path.read_bytes() for path in corpus)]
    known = read_files(reader, corpus) if first == 0 and corpus else []

    def told(done: int) -> None:
        clock.advance(reader, done)

    found = fuzz(reader, seeds, seed=seed, first=first, count=count, told=told)
    return [
        *((finding, corpus[finding.index].read_bytes()) for finding in known),
        *((finding, input_of(reader, seeds, seed=seed, index=finding.index)) for finding in found),
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
    parser.add_argument("--json", type=Path, help="write a record")
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


def _summary(shares: dict[str, int], findings: list[Finding], spent: dict[str, float]) -> None:
    counts = Counter(finding.reader for finding in findings)
    for name, count in shares.items():
        print(f"{name:22} {count:8,} inputs {spent[name]:7.1f} s {counts[name]:6,} findings")
    whole, seconds = sum(shares.values()), sum(spent.values())
    print(f"{whole:,} inputs over {len(shares)} readers in {seconds:.0f} s: {len(findings)} findings")


class _Clock:
    """Says how far the work is, and how long the rest takes."""

    def __init__(self, whole: float, *, quiet: bool) -> None:
        self._whole, self._quiet, self._done = whole, quiet or not sys.stderr.isatty(), 0.0
        self._start = self._last = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def advance(self, reader: Reader, count: int) -> None:
        self._done += count * reader.cost
        if not self._quiet and self._done and time.monotonic() - self._last > 0.5:
            self._last = time.monotonic()
            left = self.seconds * (self._whole / self._done - 1)
            share = self._done / self._whole
            print(f"\r{share:6.1%}  {reader.name:22}  {left:5.0f} s left ", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if not self._quiet:
            print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
