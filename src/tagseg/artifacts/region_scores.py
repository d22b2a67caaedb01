"""Region scores: the mean of every tagged class's map over every superpixel of every training image, in one file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from tagseg.artifacts.array_file import ArrayFile, is_in_unit_range

RegionScores = dict[str, Float32[ndarray, "C_t R"]]
"""Per image id the scores in [0, 1] of its tagged classes, ascending, and its regions."""

_FILE = ArrayFile(
    kind="file of region scores",
    names=("names", "shapes", "values"),
    make="delete the folder of the stage to train again",
    make_again="delete it and run the same command again",
)


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
    shapes = np.array([scores[name].shape for name in names], dtype=np.int64).reshape(-1, 2)
    values = np.concatenate([np.zeros(0, np.float16), *(scores[name].astype(np.float16).ravel() for name in names)])
    _FILE.write(path, np.array(names, dtype=np.str_), shapes, values)


def read_region_scores(path: Path) -> RegionScores:
    """Read the scores of all images.

    Raises:
        ArtifactError: when the file is missing or damaged.
    """
    names, shapes, values = _FILE.read(path)
    if (
        names.dtype.kind != "U"
        or names.ndim != 1
        or shapes.dtype != np.int64
        or shapes.shape != (names.size, 2)
        or values.dtype != np.float16
        or values.ndim != 1
    ):
        found = f"{names.shape} names, shapes of shape {shapes.shape} and values of shape {values.shape}"
        raise _FILE.damaged(path, found)
    image_ids = _FILE.texts(path, names)
    # As Python's integers, which do not run over.
    sizes = [rows * columns if rows >= 0 and columns >= 0 else -1 for rows, columns in shapes.tolist()]
    if -1 in sizes or sum(sizes) != values.size or len(set(image_ids)) != names.size:
        raise _FILE.damaged(path, f"{values.size} values for {names.size} images that need others")
    scores = values.astype(np.float32)
    if not is_in_unit_range(scores):
        raise _FILE.damaged(path, f"values {scores.min():.4g} to {scores.max():.4g}")
    ends = np.cumsum([0, *sizes]).tolist()
    return {
        name: scores[start:end].reshape(shape)
        for name, shape, start, end in zip(image_ids, shapes.tolist(), ends, ends[1:], strict=False)
    }
