"""Exports, each written by a process of its own: no mask delays others, and whoever leaves ends the work."""

import json
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tagseg.classes import ClassTable
from tagseg.serve.export_options import as_option
from tagseg.serve.helper import Helper
from tagseg.serve.limits import Limits
from tagseg.serve.refusal import RefusedError
from tagseg.serve.worker import Worker
from tagseg.use.label_files import FormatChoice

COMMAND = (sys.executable, "-m", "tagseg.serve.exporting")

FOLDER_PREFIX = "tagseg-export-"
"""Of the folders that writers are given, in the system's temporary folder."""


@dataclass(frozen=True, slots=True)
class SentMask:
    """The labels of one photograph.

    Args:
        name: of the photograph's file.
        data: a picture in VOC's colours; or with a shape packed label ids.
        shape: height and width.
    """

    name: str
    data: bytes = field(repr=False)
    shape: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written.

    Args:
        choice: the format.
        classes: names of the labels.
        masks: in the order in which they stand in the export.
        photographs: of the masks; none where the format holds none.
        corrected: how many of the masks a person corrected.
    """

    choice: FormatChoice
    classes: ClassTable
    masks: Sequence[SentMask]
    photographs: Sequence[bytes] = field(default=(), repr=False)
    corrected: int = 0

    def described(self) -> dict[str, Any]:
        """Return what the process is told, as JSON values; masks and photographs follow."""
        return {
            "choice": asdict(self.choice),
            "classes": list(self.classes.names),
            "masks": [{"name": mask.name, "bytes": len(mask.data), "shape": mask.shape} for mask in self.masks],
            "photographs": [len(data) for data in self.photographs],
            "corrected": self.corrected,
        }


@dataclass(frozen=True, slots=True)
class Exported:
    """An export as one file.

    Args:
        content: of the file.
        said: what was lost of the masks, a line each.
    """

    content: bytes = field(repr=False)
    said: list[str]


class Exporters:
    """As many processes as are needed at a time, and the queue in front of them.

    Args:
        limits: of a request; an export takes as many seconds of a processor as its client waits for.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits.of_exports()
        self.worker = Worker(self.limits)
        self._free: list[Helper] = []
        self._jobs: set[ExportJob] = set()
        self._is_closed = False

    def job(self, order: Order) -> "ExportJob":
        """Return work that a thread of the worker does."""
        return ExportJob(self, order)

    def close(self) -> None:
        """End all processes for good, from any thread: exports under way break off."""
        self._is_closed = True
        self.worker.close()
        for job in tuple(self._jobs):
            job.stop()
        while self._free:
            self._free.pop().end()

    def take(self, job: "ExportJob") -> Helper:
        """Lend a process to a job."""
        self._jobs.add(job)
        try:
            return self._free.pop()
        except IndexError:
            return Helper("writes exports")

    def give_back(self, job: "ExportJob", helper: Helper) -> None:
        """Take a process back."""
        self._jobs.discard(job)
        if self._is_closed:
            helper.end()
        else:
            self._free.append(helper)


class ExportJob:
    """One export.

    Args:
        exporters: that lend a process.
        order: what is to be written.
    """

    def __init__(self, exporters: Exporters, order: Order) -> None:
        self._exporters, self._order = exporters, order
        self._lock = threading.Lock()
        self._helper: Helper | None = None
        self._is_stopped = False

    def run(self) -> Exported:
        """Write the export; nothing of it is left on the disk, however this ends.

        Raises:
            RefusedError: when a mask, a photograph or a class cannot be used, or it takes too long.
        """
        helper = self._exporters.take(self)
        folder = tempfile.mkdtemp(prefix=FOLDER_PREFIX)
        try:
            helper.ready(COMMAND)
            with self._lock:
                self._helper = helper
                if self._is_stopped:
                    raise EOFError
            return self._ask(helper, folder)
        except (OSError, EOFError) as error:
            helper.end()
            work_s = self._exporters.limits.answer_s
            raise RefusedError(
                f"export is written within {work_s:g} s of a processor, got one that is not",
                help="send fewer or smaller photographs, or a larger min_area",
                status=503,
            ) from error
        finally:
            with self._lock:
                self._helper = None
                if self._is_stopped:
                    helper.end()
            shutil.rmtree(folder, ignore_errors=True)
            self._exporters.give_back(self, helper)

    def stop(self) -> None:
        """Break the work off, from any thread."""
        with self._lock:
            self._is_stopped = True
            if self._helper is not None and self._helper.process is not None:
                self._helper.process.kill()

    def _ask(self, helper: Helper, folder: str) -> Exported:
        process, limits = helper.process, self._exporters.limits
        if process is None or process.stdin is None or process.stdout is None:
            raise EOFError
        limited = {"folder": folder, "max_pixels": limits.pixels, "work_s": limits.answer_s}
        process.stdin.write(f"{json.dumps(self._order.described() | limited)}\n".encode())
        for data in (*(mask.data for mask in self._order.masks), *self._order.photographs):
            process.stdin.write(data)
        process.stdin.flush()
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        if "traceback" in answer:
            raise RuntimeError(answer["traceback"])
        if "bytes" not in answer:
            raise RefusedError(as_option(answer["problem"]), help=as_option(answer["help"]), status=answer["status"])
        content = process.stdout.read(answer["bytes"])
        if len(content) != answer["bytes"]:
            raise EOFError
        return Exported(content, list(map(as_option, answer["said"])))
