"""Readers with a fault, on which the runner is tested: ``python -m fuzz.planted NAME`` prints what it finds."""

import os
import signal
import sys
import time
from collections.abc import Callable

from fuzz import batch
from fuzz.reader import Reader
from tagseg.errors import DataError


def fine(content: bytes) -> object:
    """Answer with a result."""
    return content


def refuses(content: bytes) -> object:
    """Answer with an error of the project, which names no file."""
    raise DataError("file must be whole, got half of it", help="copy it again")


def raises(content: bytes) -> object:
    """Answer with another exception."""
    raise KeyError("a")


def is_killed(content: bytes) -> object:
    """End by a signal, as a fault in a library of C does."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return None


def hangs(content: bytes) -> object:
    """Work for ever."""
    while True:
        time.process_time()


def fills_memory(content: bytes) -> object:
    """Take more memory than the machine should give."""
    return len(b"a" * (batch.MAX_BYTES + 100_000_000))


def talks(content: bytes) -> object:
    """Print past Python, as a library of C does."""
    os.write(2, b"a warning")
    return None


def leaves(content: bytes) -> object:
    """End the process."""
    raise SystemExit(3)


PLANTED: tuple[Callable[[bytes], object], ...] = (
    *(fine, refuses, raises, is_killed, hangs, fills_memory, talks, leaves),
)


def main(name: str) -> None:
    """Print index and kind of what is found in two inputs of a reader."""
    batch.MAX_S, batch.MAX_BYTES = 1.0, 300_000_000
    read = next(read for read in PLANTED if read.__name__ == name)
    reader = Reader("planted", lambda: [b"seed"], lambda folder: read)
    for finding in batch.fuzz(reader, [b"seed"], seed=0, first=5, count=2):
        print(finding.index, finding.what)


if __name__ == "__main__":
    main(sys.argv[1])
