"""The object masks of one image as JSON with COCO's run lengths, readable by its tools.

Axes: H W pixels of the upright image.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from tagseg.artifacts.json_file import count_of, list_of, mapping_of, read_json, share_of
from tagseg.artifacts.run_lengths import mask_of, run_lengths
from tagseg.classes import MAX_CLASSES
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One object.

    Args:
        label_id: its class, 1..C.
        mask: its pixels; the masks of one image do not overlap.
        score: in (0, 1], the largest score inside the mask; where scores are those of walked maps alone, the best
            instance of an image has 1.
    """

    label_id: int
    mask: Bool[np.ndarray, "H W"]
    score: float


def write_instances(path: Path, instances: Sequence[Instance]) -> None:
    """Write the objects of one image, atomically; the list may be empty.

    Each is ``{"category_id", "score", "segmentation": {"size": [H, W], "counts"}}``, as in a COCO result file but for
    the image's id, which is the file's name.

    Raises:
        ArtifactError: when the file cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "photo.json"
    >>> write_instances(path, [Instance(3, np.array([[True, False]]), 0.5)])
    >>> [(each.label_id, each.mask.tolist(), each.score) for each in read_instances(path)]
    [(3, [[True, False]], 0.5)]
    """
    rows = []
    for instance in instances:
        segmentation = run_lengths(instance.mask)
        rows.append({"category_id": instance.label_id, "score": instance.score, "segmentation": segmentation})
    atomic_write(path, json.dumps(rows).encode())


def read_instances(path: Path) -> list[Instance]:
    """Read the objects of one image.

    Raises:
        ArtifactError: when the file is missing or damaged.
    """
    if not path.is_file():
        raise ArtifactError(
            f"instance file {path} must exist, got no such file", help="run the stage make-masks with masks.instances"
        )
    try:
        instances = [_instance(mapping_of(row)) for row in list_of(read_json(path))]
        if len({instance.mask.shape for instance in instances}) > 1:
            raise ValueError("the objects are of several images")
        return instances
    except (ValueError, KeyError) as error:
        raise ArtifactError(
            f"instance file {path} must be a whole file written by tagseg, got a file that cannot be read as one",
            help="delete it and run the stage make-masks again",
        ) from error


def _instance(row: dict[str, Any]) -> Instance:
    label_id, score = count_of(row["category_id"]), share_of(row["score"])
    if not 0 < label_id <= MAX_CLASSES or score == 0:
        raise ValueError("no class, or no score")
    return Instance(label_id, mask_of(mapping_of(row["segmentation"])), score)
