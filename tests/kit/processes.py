"""Processes of Python that tests start, wait for and kill."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
SLOW_TO_IMPORT = (
    *("tagseg.cli.main", "tagseg.pipeline", "tagseg.use.predict"),
    *("timm", "segmentation_models_pytorch", "skimage.segmentation", "torch.utils.tensorboard", "torch._dynamo"),
)


def wait_until(happened: Callable[[], object], *, seconds: float = 200, every_s: float = 0.05) -> bool:
    """Ask again and again, and return whether it happened in time."""
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(every_s)
    return bool(happened())


def is_running(process: int) -> bool:
    """Whether it works; one that ended and whose end nobody has asked for (a zombie) does not."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, ValueError):
        return False


@contextmanager
def python(code: str, *words: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run code that may import `kit`, and kill -9 its process and the children of it when the block ends.

    Args:
        code: what `python -c` gets.
        words: its `sys.argv[1:]`.
        options: of `subprocess.Popen`.
    """
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", code, *map(str, words)]
    with subprocess.Popen(command, env=environment, text=True, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # when all of them have ended
                os.killpg(process.pid, signal.SIGKILL)


def copies() -> BaseContext:
    """Return how multiprocessing starts copies of a process that has imported torch, and has done nothing else.

    A new Python takes ten seconds of a processor for that, and a test session starts dozens of processes.
    """
    multiprocessing.set_forkserver_preload(list(SLOW_TO_IMPORT))
    return multiprocessing.get_context("forkserver")


def _execute(code: str, words: tuple[str, ...]) -> None:
    """Run code as `python -c` does, first of a group of processes, its printed lines lost."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.argv = ["-c", *words]
    exec(compile(code, "<forked>", "exec"), {"__name__": "__main__"})


@contextmanager
def forked(code: str, *words: object) -> Iterator[BaseProcess]:
    """Do as :func:`python` does, in one of the :func:`copies`."""
    process = copies().Process(target=_execute, args=(code, tuple(map(str, words))))
    process.start()
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # when all of them have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()  # one that has no group of its own yet
        process.join()


_KILLED = """
import fnmatch, os, signal, sys
pattern, left, replace = sys.argv.pop(1), [int(sys.argv.pop(1))], os.replace
def counting(source, target):
    replace(source, target)
    left[0] -= fnmatch.fnmatch(os.fspath(target), pattern)
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = counting
"""


def kill_when_written(pattern: str, count: int, code: str, *words: object) -> None:
    """Run code in a process of its own that ends by kill -9 as soon as it has written some files.

    A file gets its name by `os.replace` when it is whole, so that this is the same step on any machine.

    Args:
        pattern: of their paths; `*` stands for folders, too.
        count: how many of them.
        code: see `python`.
        words: its `sys.argv[1:]`.
    """
    with forked(f"{_KILLED}\n{code}", pattern, count, *words) as process:
        process.join(timeout=250)
        assert process.exitcode == -signal.SIGKILL, "it ended before it could be killed"
