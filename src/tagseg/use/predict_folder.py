"""The folder that ``tagseg predict`` writes into: its files, and what it remembers of segmenter and settings."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagseg.artifacts.json_file import count_of, json_bytes, mapping_of, read_json
from tagseg.artifacts.run_folder import fingerprint
from tagseg.data.input_files import InputImage, absolute
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write

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

    @property
    def lock_path(self) -> Path:
        """Held by whoever writes into the folder."""
        return self.root / ".lock"

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

    def all_files(self, name: str) -> list[Path]:
        """Return all files that may have been made of one photograph."""
        return [self.overlay(name), self.probabilities(name), self.mask(name)]

    def is_done(self, image: InputImage, *, since_ns: int) -> bool:
        """Return whether all files of a photograph are there, none older than it or than the settings."""
        try:
            oldest = max(image.path.stat().st_mtime_ns, since_ns)
            return all(path.stat().st_mtime_ns >= oldest for path in self.files(image.name))
        except OSError:
            return False


def open_record(
    folder: OutputFolder,
    wanted: dict[str, Any],
    *,
    images: Sequence[InputImage],
    labels: Mapping[str, Sequence[int]],
    redo: bool,
) -> dict[str, Any]:
    """Return what ``predictions.json`` says from now on: what is wanted, since when, and of which photographs.

    Files that an earlier call made of another photograph of the same name, or with other tags, are removed.

    Args:
        folder: locked by the caller.
        wanted: segmenter and settings, as JSON values.
        images: the photographs that are to be labelled.
        labels: the label ids that a photograph may have, by its name; one that is left out may have any.
        redo: whether results of others, and files of the same names, may be written over.

    Raises:
        ArtifactError: when the folder holds other results, or files that no call made, and these are to stay.
    """
    record = {**wanted, "inputs": fingerprint(wanted)}
    known = read_record(folder.root)
    if known and known.get("inputs") != record["inputs"] and not redo:
        raise ArtifactError(
            f"{folder.root} holds labels of this segmenter and these settings, got those of others",
            help="choose another --out, or add --redo to label all again",
        )
    made: dict[str, Any] = known.get("photographs", {})
    if not redo:
        _refuse_other_files(folder, [image.name for image in images if image.name not in made])
    states = {image.name: state for image in images if (state := _state(image.path)) is not None}
    seen = {name: [*state, *labels.get(name, ())] for name, state in states.items()}
    for name in seen:
        if name in made and made[name] != seen[name]:
            for path in folder.all_files(name):
                path.unlink(missing_ok=True)
    record["photographs"] = {**made, **seen}
    if not known or redo:
        write_record(folder, record)
        # By the clock of the file system, which the masks get their times from.
        record["since_ns"] = (folder.root / RECORD_NAME).stat().st_mtime_ns
    else:
        record["since_ns"] = known.get("since_ns", 0)
    write_record(folder, record)
    return record


def write_record(folder: OutputFolder, record: dict[str, Any]) -> None:
    """Write ``predictions.json``."""
    atomic_write(folder.root / RECORD_NAME, json_bytes(record))


def read_record(root: Path) -> dict[str, Any]:
    """Return what an earlier call left in ``predictions.json``: nothing where there is none, or it is damaged."""
    try:
        known = mapping_of(read_json(root / RECORD_NAME))
        mapping_of(known.get("photographs", {}))
        count_of(known.get("since_ns", 0))
    except ValueError:
        return {}
    return known


def files_made(root: Path) -> set[Path]:
    """Return the absolute paths of what earlier calls made of photographs in this folder."""
    folder = OutputFolder(root, ())
    names = read_record(root).get("photographs", {})
    return {absolute(path) for name in names for path in folder.all_files(name)}


def keep_photographs(images: Sequence[InputImage], folder: OutputFolder) -> None:
    """Refuse to write a result over a photograph.

    Raises:
        ArtifactError: when a result would be at the place of one.
    """
    paths = {os.path.realpath(image.path) for image in images}
    for path in (path for image in images for path in folder.files(image.name)):
        if os.path.realpath(path) in paths:
            kind = "mask" if path.suffix == ".png" else "result"
            raise ArtifactError(
                f"{kind} {path} is another file than the photographs, got one of them", help="choose another --out"
            )


def _state(path: Path) -> list[int] | None:
    """Return what tells a photograph from another one of its name: when it was changed, and its size in bytes."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size]


def _refuse_other_files(folder: OutputFolder, names: Sequence[str]) -> None:
    """Refuse to take a file for a result, or to write over it, that no call made."""
    for path in (path for name in names for path in folder.files(name)):
        if path.exists():
            raise ArtifactError(
                f"{path} must be a file that tagseg predict made, got one that {RECORD_NAME} does not list",
                help="choose another --out, or add --redo to write over it",
            )
