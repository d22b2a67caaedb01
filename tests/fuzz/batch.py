"""Many inputs in a child process: what it raised, and how it ended.

The child writes the index of an input into shared memory before it reads it, so that the parent knows at which one the
child was killed by a signal or stood still. Processor time is limited by a timer of the system, which no load of the
machine can trip.
"""

import mmap
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from json import dumps, loads
from pathlib import Path
from random import Random

from fuzz.mutate import mutated
from fuzz.reader import Reader
from tagseg.errors import TagsegError

MAX_S, MAX_WALL_S = 5.0, 120.0
"""Seconds of a processor for one input; seconds of a clock, for a child that waits for something."""
MAX_BYTES = 2_000_000_000

BROKEN, FRESH = 70, 75
"""Exit codes of a child: its reader cannot be prepared, which is a mistake of these tests; and it took much memory,
whose peak does not fall again, so that the next input needs another child."""

_OF_MEMORY = " GB of memory"
_WORD = 8
_PROFILED = -int(signal.SIGPROF)


@dataclass(frozen=True)
class Finding:
    """One input that its reader answers with anything but a result or an error of the project.

    Args:
        reader: its name.
        seed: of the random numbers.
        index: of the input.
        what: in a line: the exception and where it was raised, or a signal.
        trace: of the exception, or empty.
    """

    reader: str
    seed: int
    index: int
    what: str
    trace: str = ""


def input_of(reader: Reader, seeds: list[bytes], *, seed: int, index: int) -> bytes:
    """Return one input; seed and index decide it."""
    random = Random(f"{seed}/{reader.name}/{index}")
    content = mutated(random.choice(seeds), seeds, random)
    return reader.repair(content) if random.random() < 0.5 else content


def fuzz(
    reader: Reader, seeds: list[bytes], *, seed: int, first: int, count: int, told: Callable[[int], None] | None = None
) -> list[Finding]:
    """Read inputs of one reader; a child that ends early is followed by another.

    Args:
        reader: what reads them.
        seeds: files that it knows.
        seed: of the random numbers.
        first: index of the first input.
        count: of inputs.
        told: gets the number of inputs since the last call.
    """

    def content_of(index: int) -> bytes:
        return input_of(reader, seeds, seed=seed, index=index)

    return list(_in_children(reader, content_of, seed, range(first, first + count), told))


def read_files(reader: Reader, files: list[Path]) -> list[Finding]:
    """Read given files in a child."""
    contents = [path.read_bytes() for path in files]
    return list(_in_children(reader, contents.__getitem__, 0, range(len(files)), None))


def _in_children(
    reader: Reader,
    content_of: Callable[[int], bytes],
    seed: int,
    indices: range,
    told: Callable[[int], None] | None,
) -> Iterator[Finding]:
    at = indices.start
    while at < indices.stop:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, mmap.mmap(-1, _WORD) as place:
            found = Path(folder, "findings")
            place[:] = at.to_bytes(_WORD, "little")
            process = os.fork()
            if process == 0:
                _work(reader, content_of, range(at, indices.stop), place, folder=Path(folder), found=found)
            status = _wait(process, place, at, told)
            reached = int.from_bytes(place[:], "little")
            lines = found.read_text().splitlines() if found.exists() else []
        yield from (Finding(reader.name, seed, **loads(line)) for line in lines)
        if status == 0:
            return
        if status == BROKEN:
            raise SystemExit(f"{reader.name}: it cannot be prepared")
        at = reached + 1
        if status == FRESH:
            continue
        what = "a hang" if status == _PROFILED else f"signal {-status}" if status < 0 else f"exit code {status}"
        yield Finding(reader.name, seed, reached, what)


def _wait(process: int, place: mmap.mmap, first: int, told: Callable[[int], None] | None) -> int:
    """Return how a child ended, as ``subprocess`` says it; one that stands still is ended."""
    seen, since, reported, pause = -1, time.monotonic(), first, 0.001
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        reached = int.from_bytes(place[:], "little")
        if told and (reached - reported >= 100 or ended):
            told(reached - reported)
            reported = reached
        if ended:
            return os.waitstatus_to_exitcode(status)
        if reached != seen:
            seen, since = reached, time.monotonic()
        elif time.monotonic() - since > MAX_WALL_S:
            os.kill(process, signal.SIGPROF)
        time.sleep(pause)
        pause = min(0.1, pause * 1.5)


def _work(
    reader: Reader, content_of: Callable[[int], bytes], indices: range, place: mmap.mmap, *, folder: Path, found: Path
) -> None:
    """Read inputs and leave this process."""
    code = BROKEN
    try:
        inside = folder / "files"
        inside.mkdir()
        warnings.simplefilter("error")
        printed = _catch_prints(folder / "printed")
        read = reader.prepare(inside)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _limit_memory()
        with found.open("a", buffering=1) as file:
            for index in indices:
                place[:] = index.to_bytes(_WORD, "little")
                content = content_of(index)
                what, trace = _read_one(read, content, name=str(inside) if reader.names_file else "")
                if not what and (size := os.fstat(printed).st_size):
                    what, trace = f"prints {size} bytes past us", (folder / "printed").read_text(errors="replace")[:500]
                os.ftruncate(printed, 0)
                if what:
                    code = FRESH if what.endswith(_OF_MEMORY) else code
                    file.write(dumps({"index": index, "what": what.replace(str(folder), ""), "trace": trace}) + "\n")
                if code == FRESH:
                    return
            place[:] = (indices.stop).to_bytes(_WORD, "little")
        code = 0
    except BaseException:
        os.write(_shown, traceback.format_exc().encode())
    finally:
        os._exit(code)


_shown = os.dup(2)


def _catch_prints(path: Path) -> int:
    """Send what this process prints to a file, and return its descriptor."""
    sys.stdout.flush()
    sys.stderr.flush()
    printed = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    return printed


def _limit_memory() -> None:
    """Let what takes very much memory fail, before the machine does."""
    statistics = Path("/proc/self/statm")
    used = int(statistics.read_text().split()[0]) * resource.getpagesize() if statistics.exists() else 0
    limit = used + 3 * MAX_BYTES
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit if most < 0 else min(limit, most), most))


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _read_one(read: Callable[[bytes], object], content: bytes, *, name: str) -> tuple[str, str]:
    """Return what is wrong with the answer to one input, and the traceback; empty where nothing is."""
    before, wrong, trace = _peak_bytes(), "", ""
    with _timed():
        try:
            read(content)
        except TagsegError as error:
            wrong, trace = _wrong_with(error, name=name), traceback.format_exc()
        except (Exception, SystemExit) as error:
            wrong = f"{type(error).__name__}: {str(error)[:200]} at {_place(error)}"
            trace = traceback.format_exc()
    grown = _peak_bytes() - before
    if grown > MAX_BYTES and not wrong:
        wrong = f"{grown / 1e9:.1f}{_OF_MEMORY}"
    return wrong, trace[-6000:] if wrong else ""


@contextmanager
def _timed() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, MAX_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _wrong_with(error: TagsegError, *, name: str) -> str:
    """Return what a sentence lacks."""
    if not error.problem or not error.help:
        return f"an empty sentence at {_place(error)}"
    if name and name not in error.problem:
        return f"a sentence that does not name the file at {_place(error)}: {error.problem[:200]}"
    return ""


def _place(error: BaseException) -> str:
    """Return the last line of the package that an exception came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/tagseg/" in frame.filename] or list(frames)
    last = own[-1]
    return f"{last.filename.rpartition('/tagseg/')[2]}:{last.lineno}"


def digest(content: bytes) -> str:
    """Return a short name for a content."""
    return sha256(content).hexdigest()[:12]


def as_json(finding: Finding) -> dict[str, object]:
    """Return a finding as JSON values."""
    return asdict(finding)
