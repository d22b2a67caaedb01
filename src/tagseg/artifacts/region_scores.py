"""Region scores: the mean of every tagged class's map over every superpixel of every training image, in one file."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write

RegionScores = dict[str, Float32[ndarray, "C_t R"]]
"""Per image id the scores in [0, 1] of its tagged classes, ascending, and its regions."""


def write_region_scores(path: Path, scores: Mapping[str, Float32[ndarray, "C_t R"]]) -> None:
    """Write the scores of all images atomically, as float16 (an error of at most 2^-12).

    Raises:
        ArtifactError: when the file cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "scores.npz"
    >>> write_region_scores(path, {"a/b": np.array([[0.25, 1.0]], np.float32)})
    >>> read_region_scores(path)
    {'a/b': array([[0.25, 1.  ]], dtype=float32)}
    """
    names = sorted(scores)
    content = {
        "names": np.array(names, dtype=np.str_),
        "shapes": np.array([scores[name].shape for name in names], dtype=np.int64).reshape(-1, 2),
        "values": np.concatenate([np.zeros(0, np.float16), *(scores[n].astype(np.float16).ravel() for n in names)]),
    }
    atomic_write(path, lambda file: np.savez_compressed(file, allow_pickle=False, **content))


def read_region_scores(path: Path) -> RegionScores:
    """Read the scores of all images.

    Raises:
        ArtifactError: when the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            names, shapes, values = content["names"].tolist(), content["shapes"], content["values"]
        parts = np.split(values.astype(np.float32), np.cumsum(shapes.prod(axis=1))[:-1])
        return {name: part.reshape(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ArtifactError(
            f"{path} must hold region scores written by tagseg, got a file that cannot be read as one",
            help="delete it and run the same command again",
        ) from error
