"""A process that works for the server and can be ended at any time, whatever it is at."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress

from tagseg.errors import ServeError


class Helper:
    """Runs one program, started anew when it has ended; used by one thread at a time, but for :meth:`end`.

    The program says with an empty line that it is ready. It ends when its standard input does.

    Args:
        work: what it does, for the error when it does not start, such as ``decodes pictures``.
    """

    def __init__(self, work: str) -> None:
        self._work = work
        self._is_ready = False
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Start the program, so that what comes first does not wait for it."""
        self._is_ready = False
        # Decoders in C print to standard error.
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return self.process

    def ready(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Return the process once it can work, started where there is none.

        Raises:
            ServeError: when it ends instead.
        """
        process = self.process
        if process is not None and process.poll() is None and self._is_ready:
            return process
        if process is None or process.poll() is not None:
            self.end()
            process = self.start(command)
        assert process.stdout is not None
        if process.stdout.readline() != b"\n":
            self.end()
            raise ServeError(
                f"process that {self._work} must start, got one that ended",
                help="start 'tagseg serve' again; with too little memory end other programs first",
            )
        self._is_ready = True
        return process

    def end(self) -> None:
        """End the process, from any thread: what it is at breaks off."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):  # what was not sent is of no use now
                        pipe.close()
