"""``scores.json``: what stage 7 counted, and its only reader and writer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write

NETWORK, AVERAGED, MASK_MAPS = "network", "averaged", "masks"
"""Which maps a sweep is of: those of the network, averaged over regions, or those that pseudo masks are cut from."""

SCORES_FORMAT = 2
"""Version of what the file holds; a finished run with an older one is scored again."""


def write_scores(path: Path, scores: Mapping[str, Any]) -> None:
    """Write the scores of a run, atomically."""
    text = json.dumps({"format": SCORES_FORMAT, **scores}, indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write(path, f"{text}\n".encode())


def read_scores(path: Path) -> dict[str, Any]:
    """Return the scores of a run, empty when nothing is scored yet.

    Raises:
        ArtifactError: when the file is not one that tagseg wrote.
    """
    if not path.exists():
        return {}
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        scores = None
    if not isinstance(scores, dict):
        raise ArtifactError(
            f"{path} must be scores that tagseg wrote, got a file that cannot be read as such",
            help="delete it and run the stage evaluate again",
        )
    return scores
