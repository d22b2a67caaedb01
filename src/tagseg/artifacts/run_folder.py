"""The folder of one run: what is done with which inputs, and who is working in it."""

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tagseg.artifacts.json_file import count_of, json_bytes, mapping_of, read_json
from tagseg.artifacts.layout import STAGE_OUTPUTS, RunLayout
from tagseg.artifacts.manifest import WrongEntryError, check_manifest
from tagseg.artifacts.seals import Seals
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write, remove_leftovers
from tagseg.system.lock import folder_lock
from tagseg.system.own_version import installed_version

FORMAT = 1
_SEALED_AT_THE_END = ("evaluate", "report")
"""Stages whose files are written when all is known; the others seal each file when it is made."""

_PACKAGES = ("tagseg", "torch", "torchvision", "timm", "numpy", "pillow", "scikit-image", "lightning-fabric")


@dataclass(frozen=True, slots=True)
class StageStatus:
    """What the manifest says about one stage.

    Args:
        state: ``missing`` (not begun), ``started`` (begun, not finished) or ``done``.
        fingerprint: of the inputs it was started with, or an empty string.
        data: name of the images and tags it was started with, or an empty string.
        details: what the stage says about itself, such as counts and scores.
    """

    state: Literal["missing", "started", "done"]
    fingerprint: str
    data: str
    details: dict[str, Any]


class RunFolder(RunLayout):
    """The paths of one run, and its manifest.

    Args:
        root: the folder; made at the first write.

    >>> import tempfile
    >>> run = RunFolder(Path(tempfile.mkdtemp()))
    >>> run.is_done("extract_cams", "abc")
    (False, 'not done yet')
    >>> run.output("extract_cams").mkdir()
    >>> run.mark_started("extract_cams", "abc")
    >>> run.mark_done("extract_cams", "abc", {"images": 3})
    >>> run.is_done("extract_cams", "abc")
    (True, 'done with the same inputs')
    >>> run.is_done("extract_cams", "xyz")
    (False, 'its inputs changed')
    """

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other run out of this folder while the block runs, and first sweep up after one that was killed.

        Raises:
            ArtifactError: when another run is at work here.
        """
        with folder_lock(self.lock_path):
            remove_leftovers(self.root)
            yield

    @property
    def seals(self) -> Seals:
        """Seals of what the stages left here."""
        return Seals(self.root, self.seals_path)

    def read_manifest(self) -> dict[str, Any]:
        """Return the manifest, or an empty one for a new folder.

        Raises:
            ArtifactError: when the file is not one that tagseg wrote.
        """
        if not self.manifest_path.exists():
            return {"format": FORMAT, "stages": {}}
        try:
            manifest = mapping_of(read_json(self.manifest_path))
            found = count_of(manifest["format"])
        except (ValueError, KeyError) as error:
            raise self._no_manifest("a file that cannot be read as one") from error
        if found != FORMAT:
            raise ArtifactError(
                f"{self.manifest_path} must have format {FORMAT}, got {found}",
                help="choose another --out, or use the version of tagseg that wrote it",
            )
        try:
            check_manifest(manifest)
        except WrongEntryError as error:
            raise self._no_manifest(f"one whose entry '{error}' is missing or of another type") from error
        return manifest

    def update_manifest(self, **sections: Any) -> None:  # noqa: ANN401 (any JSON)
        """Set top-level sections of the manifest, such as ``seeds=...``, atomically; the others stay."""
        self._write({**self.read_manifest(), **sections})

    def stage_status(self, stage: str) -> StageStatus:
        """Return what the manifest says about ``stage``."""
        entry = self.read_manifest()["stages"].get(stage, {})
        texts = (entry.get("fingerprint", ""), entry.get("data", ""))
        return StageStatus(entry.get("state", "missing"), *texts, entry.get("details", {}))

    def is_done(self, stage: str, fingerprint: str) -> tuple[bool, str]:
        """Return whether ``stage`` finished with these inputs, and the reason for people.

        A stage is done when the manifest says so, its inputs have the same fingerprint, and its output still exists.
        """
        status = self.stage_status(stage)
        if status.state == "missing":
            return False, "not done yet"
        if status.fingerprint != fingerprint:
            return False, "its inputs changed"
        if status.state == "started":
            return False, "it was interrupted"
        if not self.output(stage).exists():
            return False, f"{STAGE_OUTPUTS[stage]} is gone"
        return True, "done with the same inputs"

    def mark_started(self, stage: str, fingerprint: str, *, data: str = "") -> None:
        """Note that ``stage`` begins with these inputs; the first start of an interrupted stage is kept.

        The time that was spent on the same inputs is kept too.

        Args:
            stage: its name.
            fingerprint: of all its inputs.
            data: name of the images and tags among them. A later sitting may look through other images and stop there.
        """
        entry = self._entry(stage)
        if (entry.get("state"), entry.get("fingerprint")) != ("started", fingerprint):
            started = {"state": "started", "fingerprint": fingerprint, "data": data, "started": _now()}
            same = entry.get("fingerprint") == fingerprint
            if not same:
                self.seals.forget(self.output(stage))
            self._write_entry(stage, {**started, **({"spent_s": entry.get("spent_s", 0.0)} if same else {})})

    def mark_done(self, stage: str, fingerprint: str, details: Mapping[str, Any] | None = None) -> None:
        """Note that ``stage`` finished with these inputs; ``details`` is any JSON, such as counts and seconds.

        What it left is sealed, but for what was when it was made.
        """
        made = self.lasting_files(stage)
        if stage == "train_classifier":
            self.seals.forget(self.region_scores)  # of use to the training alone
        self.seals.note(made if stage in _SEALED_AT_THE_END else self.seals.unsealed(made))
        done = {"state": "done", "fingerprint": fingerprint, "finished": _now(), "details": dict(details or {})}
        self._write_entry(stage, {**self._entry(stage), **done})

    def spent_s(self, stage: str) -> float:
        """Return the seconds that earlier sittings spent on what ``stage`` makes of its present inputs."""
        return self._entry(stage).get("spent_s", 0.0)

    def note_time(self, stage: str, spent_s: float) -> None:
        """Note the seconds that all sittings have spent on ``stage`` so far."""
        self._write_entry(stage, {**self._entry(stage), "spent_s": spent_s})

    def note_warning(self, text: str, *, stage: str | None = None) -> None:
        """Note what was warned of, once: of ``stage``, or of the sitting before any stage."""
        holder = self._entry(stage) if stage else self.read_manifest()
        warnings = holder.get("warnings", [])
        if text in warnings:
            return
        if stage:
            self._write_entry(stage, {**holder, "warnings": [*warnings, text]})
        else:
            self.update_manifest(warnings=[*warnings, text])

    def clear_warnings(self) -> None:
        """Forget what was warned of before any stage, since the next sitting looks again."""
        manifest = self.read_manifest()
        if manifest.pop("warnings", None):
            self._write(manifest)

    def made_of(self, stage: str) -> dict[str, str]:
        """Return names of what ``stage`` looks at: ``stages`` before it as they finished, and their ``files``."""
        before = list(STAGE_OUTPUTS)[: list(STAGE_OUTPUTS).index(stage)]
        entries = {name: self._entry(name) for name in before}
        finished = {name: (each.get("fingerprint"), each.get("finished")) for name, each in entries.items()}
        files = {path: path.stat() for name in before for path in self.lasting_files(name)}
        stamps = {str(path.relative_to(self.root)): (at.st_size, at.st_mtime_ns) for path, at in files.items()}
        return {"stages": fingerprint(finished), "files": fingerprint(stamps)}

    def why_outdated(self, stage: str) -> str:
        """Return why what ``stage`` kept of :meth:`made_of` in its details is no longer so, or an empty string."""
        known, now = self.stage_status(stage).details.get("made_of", {}), self.made_of(stage)
        if known.get("stages") != now["stages"]:
            return "a stage before it was done again"
        return "" if known.get("files") == now["files"] else "files of a stage before it changed"

    def _no_manifest(self, found: str) -> ArtifactError:
        return ArtifactError(
            f"{self.manifest_path} must be a manifest of tagseg, got {found}",
            help="choose another --out, or delete the file and add --redo to do every stage again",
        )

    def _entry(self, stage: str) -> dict[str, Any]:
        return self.read_manifest()["stages"].get(stage, {})

    def _write_entry(self, stage: str, entry: dict[str, Any]) -> None:
        manifest = self.read_manifest()
        self._write({**manifest, "stages": {**manifest["stages"], stage: entry}})

    def _write(self, manifest: dict[str, Any]) -> None:
        atomic_write(self.manifest_path, json_bytes(manifest))


def fingerprint(*parts: Any) -> str:  # noqa: ANN401 (any JSON)
    """Return a short name of JSON values: equal values give equal names, whatever the order of their keys.

    Args:
        parts: dicts, lists, tuples, strings, numbers, None; paths are taken as strings.

    Returns:
        The first 16 hexadecimal digits of a SHA-256.

    >>> fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": (2,), "a": 1}), fingerprint(1) == fingerprint("1")
    (True, False)
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=os.fspath)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe_environment() -> dict[str, Any]:
    """Return what a reader needs to repeat a run: Python, platform, package versions, commit of tagseg's source.

    >>> sorted(describe_environment())
    ['commit', 'packages', 'platform', 'python']
    """
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: installed_version(name) for name in _PACKAGES},
        "commit": _commit(),
    }


def _commit() -> str | None:
    """Return the commit of the source tree that runs (with ``+`` when it has changes), None when installed without."""
    source = Path(__file__).parent
    try:
        _git(
            source, "ls-files", "--error-unmatch", __file__
        )  # else it is the commit of a project that only installed us
        head = _git(source, "rev-parse", "HEAD")
        return head + ("+" if _git(source, "status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")  # a stage may be done twice in a second
