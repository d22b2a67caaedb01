"""Change one formula at a time in a copy of the package, and show which test fails: ``python -m mutation.run``.

The tests of a change run in a child process that has torch imported already. All named tests must pass without a change
first; then of each change's tests one must fail. Ends with 1 where a change survives, or where its text is not there.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mutation.changes import CHANGES, Change

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
CANNOT_RUN = "tests that cannot run"
MAX_TEST_S = 120
"""A change may make a loop endless; the test then fails."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the changes, print a table, and return 0 where all are caught."""
    parser = argparse.ArgumentParser(prog="python -m mutation.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="changes that hold this text")
    parser.add_argument("--part", default="1/1", help="such as 2/3: the second third of the changes")
    parser.add_argument("--no-baseline", action="store_true", help="trust that the tests pass without a change")
    options = parser.parse_args(words)
    part, parts = map(int, options.part.split("/"))
    chosen = [change for change in CHANGES if options.only in f"{change.what} {change.file}"][part - 1 :: parts]
    gone = [change for change in chosen if not stands_once(change)]
    for change in gone:
        print(f"{change.file}: the text of '{change.what}' must stand once: {change.old}")
    if gone:
        return 1
    _import_in_advance()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder, "src")
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if not options.no_baseline:
            tests = tuple(dict.fromkeys(test for change in chosen for test in change.tests))
            if failed := _failure(tests, copy):
                print(f"without any change a test fails: {failed}")
                return 1
        survivors = [change for change in chosen if not _is_caught(change, copy)]
    print(f"{len(chosen)} changes, {len(chosen) - len(survivors)} caught")
    for change in survivors:
        print(f"survives: {change.what} ({change.file})")
    return 1 if survivors else 0


def stands_once(change: Change) -> bool:
    """Return whether the text of a change stands in its file exactly once."""
    path = SOURCE / "tagseg" / change.file
    return path.is_file() and path.read_text().count(change.old) == 1


def _is_caught(change: Change, copy: Path) -> bool:
    path, start = copy / "tagseg" / change.file, time.monotonic()
    whole = path.read_text()
    path.write_text(whole.replace(change.old, change.new))
    try:
        failed = _failure(change.tests, copy)
    finally:
        path.write_text(whole)
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()  # it might pass for that of the next change
    print(f"{change.what:64.64} {time.monotonic() - start:5.1f} s  {failed or 'SURVIVES'}", flush=True)
    return bool(failed)


def _import_in_advance() -> None:
    """Import what is slow and does not change; what pytest rewrites, it must import itself."""
    import numpy  # noqa: F401
    import pydantic  # noqa: F401
    import skimage.filters  # noqa: F401
    import timm  # noqa: F401
    import torch
    import torchvision.transforms.v2  # noqa: F401

    torch.set_num_threads(1)


def _failure(tests: Sequence[str], copy: Path) -> str:
    """Return the first test that fails with a copy of the package, or an empty string."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        failed = CANNOT_RUN
        try:
            failed = _first_failed(tests, copy)
        except BaseException as error:
            failed += f": {error!r}"
        finally:
            os.write(writing, failed.encode()[:4000])
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    if answer.startswith(CANNOT_RUN):
        raise SystemExit(f"{', '.join(tests)}: {answer}")
    return answer


@dataclass(eq=False)
class _Heard:
    """What pytest tells: the first test that fails, and how many pass."""

    failed: list[str] = field(default_factory=list)
    passed: int = 0

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
        self.passed += report.when == "call" and report.passed


def _first_failed(tests: Sequence[str], copy: Path) -> str:
    import pytest

    os.chdir(ROOT)
    sys.path.insert(0, str(copy))
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    heard = _Heard()
    arguments = ["-x", "-p", "no:cacheprovider", "-p", "no:xdist", f"--timeout={MAX_TEST_S}"]
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of a plugin that timm imports
    pytest.main([*arguments, *(str(ROOT / "tests" / test) for test in tests)], plugins=[heard])
    import tagseg

    if not Path(tagseg.__file__).is_relative_to(copy) or not (heard.failed or heard.passed):
        return CANNOT_RUN
    return heard.failed[0] if heard.failed else ""


if __name__ == "__main__":
    sys.exit(main())
