"""How a segmenter was used, as JSON in the folder of its predictions."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tagseg.artifacts.json_file import mapping_of, read_json
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write


def write_prediction_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write settings of prediction by name, any JSON, atomically.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "settings.json"
    >>> write_prediction_settings(path, {"scales": (0.5, 1.0), "flip": True})
    >>> read_prediction_settings(path)
    {'scales': [0.5, 1.0], 'flip': True}
    """
    atomic_write(path, f"{json.dumps(dict(settings), indent=2, allow_nan=False)}\n".encode())


def read_prediction_settings(path: Path) -> dict[str, Any]:
    """Read what :func:`write_prediction_settings` wrote.

    Raises:
        ArtifactError: when the file cannot be read as settings.
    """
    try:
        return mapping_of(read_json(path))
    except ValueError as error:
        raise ArtifactError(
            f"{path} must be prediction settings that tagseg wrote, got a file that cannot be read as such",
            help="delete it and run 'tagseg run' again",
        ) from error
