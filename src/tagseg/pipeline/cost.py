"""What one sitting at a stage costs: seconds, memory, images a second, and what it warned of; for the manifest."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import torch
from lightning_fabric import Fabric

from tagseg.artifacts.run_folder import RunFolder
from tagseg.errors import ArtifactError
from tagseg.progress import Progress, StageStatus, Task
from tagseg.system.memory import peak_memory, restart_peak_memory

BEAT_S = 30.0
"""Seconds between notes of the time spent: as much of it is forgotten when a sitting is killed."""


@dataclass(frozen=True, slots=True)
class Work:
    """A counted piece of work that came to its end.

    Args:
        title: as it is shown.
        images: worked on in this sitting; those that were done before do not count.
        seconds: that they took.
    """

    title: str
    images: int
    seconds: float


@dataclass(slots=True)
class NotingProgress:
    """Hands everything on to another progress, and notes warnings and how many images were worked on.

    Args:
        heard: gets everything.
        note_warning: is given every warning.
        beat: is called whenever a piece of work advances.
        works: the pieces of work that counted images.
    """

    heard: Progress
    note_warning: Callable[[str], None]
    beat: Callable[[], None] = lambda: None
    works: list[Work] = field(default_factory=list)

    def stage(self, name: str, status: StageStatus, detail: str) -> None:
        """Hand it on."""
        self.heard.stage(name, status, detail)

    def note(self, text: str) -> None:
        """Hand it on."""
        self.heard.note(text)

    def warn(self, text: str) -> None:
        """Note it and hand it on."""
        self.note_warning(text)
        self.heard.warn(text)

    @contextmanager
    def task(self, title: str, *, total: int, done: int = 0, unit: str = "images") -> Iterator[Task]:
        """Hand it on and count."""
        started = time.monotonic()
        with self.heard.task(title, total=total, done=done, unit=unit) as task:
            counted = _CountedTask(task, self.beat)
            yield counted
        if unit == "images":
            self.works.append(Work(title, counted.count, time.monotonic() - started))


class _CountedTask:
    """A task that counts what it hands on."""

    def __init__(self, task: Task, beat: Callable[[], None]) -> None:
        self.task, self.beat, self.count = task, beat, 0

    def advance(self, count: int = 1, **fields: float) -> None:
        self.count += count
        self.task.advance(count, **fields)
        self.beat()


class StageCost:
    """A stage at work, from its start or from where it was interrupted: ``with StageCost(...) as cost``.

    The time of earlier sittings of the same work is in the manifest; that of this one is added while it lasts, so that
    a killed sitting counts too. Only the first process of a run notes anything, about itself.

    Args:
        fabric: of this process.
        folder: whose manifest is written.
        stage: its name.
        progress: reports what happens.
    """

    def __init__(self, fabric: Fabric, folder: RunFolder, stage: str, *, progress: Progress) -> None:
        self.stage = stage
        self._folder, self._fabric = folder, fabric
        self._first = fabric.is_global_zero
        self._before_s = folder.spent_s(stage)
        noting = NotingProgress(progress, self._note_warning, self._beat)
        self.progress: Progress = noting if self._first else progress
        self._works = noting.works
        self._started = self._noted = time.monotonic()
        self.seconds = 0.0

    def __enter__(self) -> "StageCost":
        _restart_peaks()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.monotonic() - self._started
        try:
            self._note_time()
        except ArtifactError:
            if error is None:  # else what stopped the stage is the better message
                raise

    def figures(self) -> dict[str, Any]:
        """Return what the manifest says about the sitting, after it ended."""
        found: dict[str, Any] = {
            "time_s": round(self.seconds, 1),
            "total_time_s": round(self._before_s + self.seconds, 1),
            "device": self._fabric.device.type,
            "processes": self._fabric.world_size,
            "threads": torch.get_num_threads(),  # a CPU's last bits depend on them
            "commit": self._folder.read_manifest().get("environment", {}).get("commit"),
            **_peaks(self._fabric.device),
        }
        longest = max(self._works, key=lambda work: work.seconds, default=None)
        if longest and longest.images and longest.seconds:
            rate = round(longest.images / longest.seconds, 2)
            found |= {"counted": longest.title, "counted_images": longest.images, "images_per_s": rate}
        return found

    def _note_warning(self, text: str) -> None:
        self._folder.note_warning(text, stage=self.stage)

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._noted >= BEAT_S:
            self._noted = now
            self._note_time()

    def _note_time(self) -> None:
        if self._first:
            spent_s = self._before_s + time.monotonic() - self._started
            self._folder.note_time(self.stage, round(spent_s, 1))


def noting_progress(heard: Progress, folder: RunFolder) -> NotingProgress:
    """Return a progress that notes what is warned of before any stage."""
    folder.clear_warnings()
    return NotingProgress(heard, folder.note_warning)


def _restart_peaks() -> None:
    """Let the peaks of memory count from now on, where the system can."""
    restart_peak_memory()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peaks(device: torch.device) -> dict[str, int]:
    """Return the peak of this process's memory, where the system tells, and of the GPU's that torch took, in bytes."""
    resident = peak_memory()
    found = {} if resident is None else {"peak_memory_bytes": resident}
    return found | ({"peak_gpu_memory_bytes": torch.cuda.max_memory_allocated(device)} if device.type == "cuda" else {})
