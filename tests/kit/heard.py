"""A listener that keeps what it is told."""

from typing import Any

from tagseg.progress import SilentProgress


class Heard(SilentProgress):
    """Keeps what is said of stages, notes and warnings, and how many images each task had.

    `told` holds all of it in its order: (name, status, detail) of a stage, ("note", text) and ("warn", text).
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.stages: list[tuple[str, str, str]] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.tasks: dict[str, tuple[int, int]] = {}

    def stage(self, name: str, status: str, detail: str) -> None:
        self.stages.append((name, status, detail))
        self.told.append((name, status, detail))

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.told.append(("note", text))

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        self.told.append(("warn", text))

    def task(self, title: str, *, total: int, done: int = 0, unit: str = "images") -> Any:
        self.tasks[title] = (total, done)
        return super().task(title, total=total, done=done, unit=unit)
