"""How well tags were found by classifiers that had not seen them, as JSON: average precision of each class."""

from collections.abc import Mapping
from pathlib import Path

from tagseg.artifacts.json_file import json_bytes, mapping_of, read_json
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write


def write_held_out_tags(path: Path, average_precision: Mapping[str, float]) -> None:
    """Write average precisions in [0, 1] by the name of their class; the file appears whole.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "held_out_tags.json"
    >>> write_held_out_tags(path, {"dog": 0.75})
    >>> read_held_out_tags(path)
    {'dog': 0.75}
    """
    atomic_write(path, json_bytes({"average_precision": dict(average_precision)}))


def read_held_out_tags(path: Path) -> dict[str, float]:
    """Return what :func:`write_held_out_tags` wrote.

    Raises:
        ArtifactError: when it is another file.
    """
    try:
        found = mapping_of(mapping_of(read_json(path))["average_precision"])
        if not all(type(value) in (int, float) and 0 <= value <= 1 for value in found.values()):
            raise ValueError("average precisions lie in [0, 1]")
    except (ValueError, KeyError) as error:
        raise ArtifactError(
            f"{path} must be average precisions that tagseg wrote, got another file",
            help="delete it and run 'tagseg tags' again",
        ) from error
    return {name: float(value) for name, value in found.items()}
