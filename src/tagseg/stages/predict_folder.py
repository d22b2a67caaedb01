"""The folder that ``tagseg predict`` writes into: its files, and what it remembers of segmenter and settings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagseg.artifacts.run_folder import fingerprint
from tagseg.atomic import atomic_write
from tagseg.data.inputs import InputImage
from tagseg.errors import ArtifactError

RECORD_NAME = "predictions.json"


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """Where the labels of photographs go.

    Args:
        root: the folder.
        formats: what is made.
    """

    root: Path
    formats: tuple[str, ...]

    def mask(self, name: str) -> Path:
        """Return the palette mask of a photograph."""
        return self.root / f"{name}.png"

    def overlay(self, name: str) -> Path:
        """Return the photograph with its labels laid over it."""
        return self.root / "overlay" / f"{name}.jpg"

    def probabilities(self, name: str) -> Path:
        """Return the probabilities of every label."""
        return self.root / "probability" / f"{name}.npz"

    def files(self, name: str) -> list[Path]:
        """Return all files that are made of one photograph."""
        overlay = [self.overlay(name)] if "overlay" in self.formats else []
        probabilities = [self.probabilities(name)] if "probability" in self.formats else []
        return [*overlay, *probabilities, self.mask(name)]

    def is_done(self, image: InputImage, *, since_ns: int) -> bool:
        """Return whether all files of a photograph are there, none older than it or than the settings."""
        try:
            oldest = max(image.path.stat().st_mtime_ns, since_ns)
            return all(path.stat().st_mtime_ns >= oldest for path in self.files(image.name))
        except OSError:
            return False


def open_record(
    folder: OutputFolder, wanted: dict[str, Any], *, images: Sequence[InputImage], redo: bool
) -> dict[str, Any]:
    """Return what ``predictions.json`` says from now on: what is wanted, and since when the folder holds it.

    Args:
        folder: locked by the caller.
        wanted: segmenter and settings, as JSON values.
        images: the photographs that are to be labelled.
        redo: whether results of others, and files of the masks' names, may be written over.

    Raises:
        ArtifactError: when the folder holds other results, and these are to stay.
    """
    record = {**wanted, "inputs": fingerprint(wanted)}
    path = folder.root / RECORD_NAME
    known = _read_record(path)
    if known is None and not redo:
        _refuse_other_masks(folder, images)
    if known is None or redo:
        write_record(folder, record)
        # By the clock of the file system, which the masks get their times from.
        record["since_ns"] = path.stat().st_mtime_ns
    elif known.get("inputs") == record["inputs"]:
        record["since_ns"] = known.get("since_ns", 0)
    else:
        raise ArtifactError(
            f"{folder.root} holds labels of this segmenter and these settings, got those of others",
            help="choose another --out, or add --redo to label all again",
        )
    write_record(folder, record)
    return record


def write_record(folder: OutputFolder, record: dict[str, Any]) -> None:
    """Write ``predictions.json``."""
    text = json.dumps(record, indent=2, ensure_ascii=False)
    atomic_write(folder.root / RECORD_NAME, f"{text}\n".encode())


def _read_record(path: Path) -> dict[str, Any] | None:
    """Return what an earlier call left, nothing in it when it is damaged, or None when there is none."""
    if not path.exists():
        return None
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _refuse_other_masks(folder: OutputFolder, images: Sequence[InputImage]) -> None:
    """Refuse to take a file for a mask that this program did not write."""
    for image in images:
        if folder.mask(image.name).exists():
            raise ArtifactError(
                f"mask {folder.mask(image.name)} must be one that tagseg predict wrote, got a file in a folder without "
                f"{RECORD_NAME}",
                help="choose another --out, or add --redo to write over it",
            )
