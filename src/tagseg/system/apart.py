"""Work in a process of its own beside this one; what it prints goes to a file."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Generic, TypeVar

from tagseg.errors import DeviceError, TagsegError
from tagseg.system.orphans import end_with_parent

T = TypeVar("T")

_OUTPUTS = (1, 2)  # numbers of standard output and standard error


class Apart(Generic[T]):
    """A function at work in another process, which ends with this one.

    Args:
        work: what to do; it, its arguments and its result survive pickling.
        *arguments: what it gets.
        log: the file that its standard output and standard error go to; its folder is made.
    """

    def __init__(self, work: Callable[..., T], *arguments: object, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        context = multiprocessing.get_context("spawn")
        self.log = log
        self._answers, answers = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(work, arguments, log, answers))
        self._process.start()
        answers.close()  # the other process holds the only end, so that its death is seen

    def result(self) -> T:
        """Wait for the work and return what it returned.

        Raises:
            TagsegError: what the work raised.
            DeviceError: when its process died.
        """
        try:
            result, error = self._answers.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            raise DeviceError(
                f"a process beside this one died with exit code {code}; {self.log} has its last words",
                help="run the same command again to continue",
            ) from None
        self._process.join()
        if error is not None:
            raise error
        return result

    def stop(self) -> None:
        """End the process if it is still at work."""
        self._process.terminate()
        self._process.join()


def _work(work: Callable[..., T], arguments: tuple[object, ...], log: Path, answers: Connection) -> None:
    """Do the work with both outputs in the file, and send what came of it."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes; the other one ends this one
    with log.open("a", encoding="utf-8") as file:
        for output in _OUTPUTS:
            os.dup2(file.fileno(), output)
    try:
        answers.send((work(*arguments), None))
    except TagsegError as error:
        answers.send((None, error))
