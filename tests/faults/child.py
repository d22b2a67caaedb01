"""The command in a forked child: it stops at a drawn write of an artifact, where the fault happens to it."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal, NoReturn

from faults.scene import Scene
from tagseg.cli.main import app_main
from tagseg.system.atomic import PART_SUFFIX

Phase = Literal["before", "amid", "after"]
PHASES: tuple[Phase, ...] = ("before", "amid", "after")

_numbers = count()

LIMIT_S = 120.0
"""Of one command: longer is hung."""


@dataclass(frozen=True)
class Moment:
    """When the fault happens.

    Args:
        write: the write of an artifact, from 1 on.
        phase: before its file gets its name, in the middle of the file, or after it got its name.
    """

    write: int
    phase: Phase


@dataclass(frozen=True)
class End:
    """How a command ended.

    Args:
        state: ``done``, ``told`` (the two lines of an error), ``stopped`` (as it was told to), ``killed``,
            ``traceback``, ``hung``, or ``unclear``: another exit code, or one without its lines.
        text: what it said, or which signal ended it.
    """

    state: Literal["done", "told", "stopped", "killed", "traceback", "hung", "unclear"]
    text: str = ""


class Child:
    """One start of the command, in a process of its own.

    Args:
        scene: where it works.
        words: after ``tagseg``.
        moment: where it stops and waits to go on, or None.
        inside: what it does to itself there.
        watch: a folder that gets a file ``writes``, one byte a write, and ``modules``, the names of what it imported.
    """

    def __init__(
        self,
        scene: Scene,
        words: list[str],
        *,
        moment: Moment | None = None,
        inside: Callable[[], object] | None = None,
        watch: Path | None = None,
    ) -> None:
        self._told = scene.root / f"stderr{next(_numbers)}.txt"
        self._status: int | None = None
        self._limit = time.monotonic() + LIMIT_S
        sys.stdout.flush()
        self.process = os.fork()
        if self.process == 0:
            _work(self._told, words, _Stop(moment, inside, watch))

    def wait_for_stop(self) -> bool:
        """Wait until it stopped at its moment; return False when it ended before that."""
        while (status := self._poll(os.WUNTRACED)) is None:
            time.sleep(0.005)
        if os.WIFSTOPPED(status):
            return True
        self._status = status
        return False

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        if self._status is None:
            os.kill(self.process, number)

    def end(self) -> End:
        """Wait for its end, kill it when it takes too long, and return how it ended."""
        while self._status is None:
            self._status = self._poll(0)
            if self._status is None:
                time.sleep(0.005)
        return _end_of(self._status, self._told)

    def _poll(self, options: int) -> int | None:
        done, status = os.waitpid(self.process, os.WNOHANG | options)
        if done:
            return status
        if time.monotonic() > self._limit:
            os.killpg(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
            return -1
        return None


def _end_of(status: int, told: Path) -> End:
    text = told.read_text(errors="replace") if told.exists() else ""  # killed before it began
    if status == -1:
        return End("hung", f"longer than {LIMIT_S:.0f} s")
    if os.WIFSIGNALED(status):
        return End("killed", signal.Signals(os.WTERMSIG(status)).name)
    code = os.WEXITSTATUS(status)
    if "Traceback (most recent call last)" in text:
        return End("traceback", text[-3000:])
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    helps = [line for line in text.splitlines() if line.startswith("help: ")]
    if code == 0:
        return End("done") if not errors else End("unclear", f"exit code 0 with {errors}")
    if code == 130 and "run the same command again" in text:
        return End("stopped", text)
    if code == 2 and len(errors) == len(helps) == 1:
        return End("told", f"{errors[0].removeprefix('error: ')}; {helps[0].removeprefix('help: ')}")
    return End("unclear", f"exit code {code}: {text[-1000:]}")


@dataclass(frozen=True)
class _Stop:
    """Where a child stops, and what it does there; see :class:`Child`."""

    moment: Moment | None
    inside: Callable[[], object] | None
    watch: Path | None


def _work(told: Path, words: list[str], at: _Stop) -> NoReturn:
    code = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), 2)
        _stop_at(at.moment, at.inside, at.watch)
        app_main(words)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        if at.watch is not None:
            (at.watch / "modules").write_text("\n".join(sys.modules))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _stop_at(moment: Moment | None, inside: Callable[[], object] | None, watch: Path | None) -> None:
    """Count the files that get their names, which is how every artifact appears, and stop at the drawn one."""
    replace, written = os.replace, [0]

    def stop() -> None:
        if inside is not None:
            inside()
        os.kill(os.getpid(), signal.SIGSTOP)

    def counting(source: str | Path, target: str | Path) -> None:
        if not os.fspath(source).endswith(PART_SUFFIX):
            replace(source, target)
            return
        written[0] += 1
        if watch is not None:
            with (watch / "writes").open("a") as file:
                file.write(".")
        here = moment is not None and written[0] == moment.write
        if here and moment.phase == "amid":
            whole = Path(source).read_bytes()
            os.truncate(source, len(whole) // 2)
            stop()
            Path(source).write_bytes(whole)
        elif here and moment.phase == "before":
            stop()
        replace(source, target)
        if here and moment.phase == "after":
            stop()

    os.replace = counting
