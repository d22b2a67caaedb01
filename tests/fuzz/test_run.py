"""A short run over every reader, and what the runner sees: exceptions, signals, hangs, memory, words past us."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from subprocess import PIPE

import pytest

from fuzz.mutate import mutated
from fuzz.reader import with_png_sums

TESTS = Path(__file__).resolve().parents[1]
COUNT = 3000
MAX_CORPUS_BYTES = 200_000


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent / "src", TESTS)))}
CALLS = """
import contextlib, io, json, sys
from fuzz.run import main
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(json.loads(line))
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


@dataclass(frozen=True)
class Done:
    """What a call left."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[..., Done]]:
    """Lend the calls of `python -m fuzz.run`, in one process for all: its imports take long, and it has no threads."""
    words = [sys.executable, "-c", CALLS]
    with subprocess.Popen(words, stdin=PIPE, stdout=PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdin is not None and process.stdout is not None
        asked, answers = process.stdin, process.stdout

        def call(*words: str) -> Done:
            print(json.dumps(words), file=asked, flush=True)
            return Done(*json.loads(answers.readline()))

        yield call
        asked.close()


def test_no_reader_answers_with_anything_else(run, tmp_path):
    done = run("--seed", "0", "--count", str(COUNT), "--out", str(tmp_path), "--quiet")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert done.stdout.endswith(" 0 findings\n")


def test_the_corpus_stays_small():
    corpus = TESTS / "fuzz" / "corpus"
    assert sum(path.stat().st_size for path in corpus.rglob("*") if path.is_file()) < MAX_CORPUS_BYTES


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fine", ""),
        ("refuses", "a sentence that does not name the file at "),
        ("raises", "KeyError: 'a' at "),
        ("is_killed", "signal 11"),
        ("hangs", "a hang"),
        ("fills_memory", " GB of memory"),
        ("talks", "prints 9 bytes past us"),
        ("leaves", "SystemExit: 3 at "),
    ],
)
def test_the_runner_sees_a_fault_and_goes_on(name, kind):
    words = [sys.executable, "-m", "fuzz.planted", name]
    planted = subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT, timeout=280)
    lines = planted.stdout.splitlines()
    assert [line.split()[0] for line in lines] == (["5", "6"] if kind else [])
    assert all(kind in line for line in lines)


def test_a_finding_is_found_again_from_its_file(run, tmp_path):
    path = tmp_path / "tags.csv"
    path.write_bytes(b"image,tags\na.jpg,cat\n")
    done = run("--reader", "tags-csv", "--file", str(path))
    assert (done.returncode, done.stdout) == (0, "1 files, 0 findings\n")


def test_a_stopped_run_goes_on_where_it_was(run, tmp_path):
    record = tmp_path / "made" / "fuzz.jsonl"
    words = ("--reader", "tags-csv", "--seed", "3", "--count", "4100", "--json", str(record))
    whole = run(*words)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    rows = record.read_text().splitlines(keepends=True)
    assert [json.loads(row)["first"] for row in rows] == [0, 2000, 4000]
    record.write_text("".join(rows[:2]) + rows[2][:20])  # killed while it wrote the last one
    again = run(*words)
    assert again.returncode == 0
    assert again.stderr.startswith("97.6% were tried before\n")
    assert again.stdout.endswith(" 0 findings\n")


def test_a_finding_of_an_earlier_portion_counts(run, tmp_path):
    record = tmp_path / "fuzz.jsonl"
    words = ("--reader", "tags-csv", "--count", "10", "--json", str(record))
    assert run(*words).returncode == 0
    row = json.loads(record.read_text())
    record.write_text(json.dumps({**row, "findings": [{"what": "a hang"}]}) + "\n")
    done = run(*words)
    assert done.returncode == 1
    assert done.stdout.endswith(": 1 findings\n")


def test_the_same_random_numbers_give_the_same_copy():
    seeds = [b"image,tags\na.jpg,cat\n", b'{"a": [1, 2]}', bytes(range(256))]
    copies = [[mutated(seed, seeds, Random(index)) for seed in seeds] for index in (*range(300), *range(300))]
    assert copies[:300] == copies[300:]
    assert len({copy for each in copies for copy in each}) > 600


def test_checksums_of_a_changed_picture_are_mended(tmp_path):
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (4, 4), 7).save(file, "PNG")
    whole = file.getvalue()
    changed = whole.replace(whole[29:33], b"\0\0\0\0", 1)  # the checksum of the first chunk
    assert changed != whole
    assert with_png_sums(changed) == with_png_sums(whole) == whole
