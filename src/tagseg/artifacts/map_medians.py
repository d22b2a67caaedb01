"""How high the middle of each class's maps lies, in a file from the first map on."""

from collections.abc import Mapping
from pathlib import Path

from tagseg.artifacts.json_file import json_bytes, mapping_of, read_json, share_of
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write


def write_map_medians(path: Path, medians: Mapping[str, float]) -> None:
    """Write the median of each class by its name, in [0, 1], atomically.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "medians.json"
    >>> write_map_medians(path, {"cat": 0.25, "pit": 0.5})
    >>> read_map_medians(path)
    {'cat': 0.25, 'pit': 0.5}
    """
    atomic_write(path, json_bytes(dict(medians)))


def read_map_medians(path: Path) -> dict[str, float]:
    """Read what :func:`write_map_medians` wrote.

    Raises:
        ArtifactError: when the file holds no such medians.
    """
    try:
        return {name: share_of(value) for name, value in mapping_of(read_json(path)).items()}
    except ValueError as error:
        raise ArtifactError(
            f"{path} must be medians of maps that tagseg wrote, got a file that cannot be read as such",
            help=f"delete the folder {path.parent} and run 'tagseg run' again: its maps were lowered by them",
        ) from error
