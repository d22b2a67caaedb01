"""The folder of an export: it appears whole, and takes no place of what another program or person made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tagseg.artifacts.json_file import json_bytes, list_of, mapping_of, read_json, text_of
from tagseg.errors import ArtifactError
from tagseg.system.atomic_folder import atomic_folder

RECORD_NAME = "export.json"


@contextmanager
def export_folder(out: Path, *, redo: bool) -> Iterator[tuple[Path, Callable[[dict[str, Any]], None]]]:
    """Lend a folder to write into, and a function that takes what was written; at the end it is found at ``out``.

    ``export.json`` keeps what the function took, and the list of files.

    Args:
        out: the final folder: new, empty or, with ``redo``, an earlier export to which nobody added anything.
        redo: whether an earlier export may be replaced.

    Raises:
        ArtifactError: when the folder holds something else, or cannot be written.
    """
    _require_place(out, redo=redo)
    with atomic_folder(out) as folder:

        def note(described: dict[str, Any]) -> None:
            write_record(folder, described)

        yield folder, note


def write_record(folder: Path, described: dict[str, Any]) -> None:
    """Write what an export holds, and the list of its files, into its folder."""
    record = {**described, "files": files_there(folder)}
    (folder / RECORD_NAME).write_bytes(json_bytes(record))


def files_there(folder: Path) -> list[str]:
    """Return the names of the files below a folder, but for hidden ones, in order."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return sorted(path.as_posix() for path in found if not path.name.startswith("."))


def files_listed(out: Path) -> set[str] | None:
    """Return the names of the files of an earlier export, or None where there is none."""
    try:
        record = mapping_of(read_json(out / RECORD_NAME))
        return {RECORD_NAME, *(text_of(name) for name in list_of(record["files"]))}
    except (ValueError, KeyError):
        return None


def _require_place(out: Path, *, redo: bool) -> None:
    if out.is_dir() and not any(out.iterdir()):
        return
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or out.is_symlink():
        raise ArtifactError(f"--out {out} is a new or empty folder, got something else", help="choose another --out")
    made = files_listed(out)
    if made is None:
        raise ArtifactError(
            f"--out {out} is a new or empty folder, got one with other files in it", help="choose another --out"
        )
    added = [name for name in files_there(out) if name not in made]
    if added:
        raise ArtifactError(
            f"--out {out} holds an earlier export and nothing else, got {added[0]} besides", help="choose another --out"
        )
    if not redo:
        raise ArtifactError(
            f"--out {out} is a new or empty folder, got an earlier export",
            help="choose another --out, or add --redo to replace it, with all that was changed in it",
        )
