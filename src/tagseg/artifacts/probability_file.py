"""The probability of every label at every pixel of one image, as a compressed ``.npz`` of 8 bits a value.

Axes: K labels (background first), H W pixels of the upright image.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from tagseg.artifacts.array_file import ArrayFile, from_steps, require_unit_range, to_steps
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError

_FILE = ArrayFile(
    kind="probability file",
    names=("probabilities", "label_names"),
    make="predict the image with its probabilities first",
    make_again="delete it and predict the image with its probabilities again",
)


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityFile:
    """What a file holds.

    Args:
        probabilities: in [0, 1]; they sum to 1 over the labels but for the rounding of each, K/510 at most.
        label_names: name of each label, background first.
    """

    probabilities: Float32[ndarray, "K H W"]
    label_names: tuple[str, ...]


def write_probabilities(path: Path, probabilities: Float[ndarray, "K H W"], classes: ClassTable) -> None:
    """Write the probabilities of one image, atomically; the same values give the same bytes.

    Each is rounded to the nearest of 256 even steps, so a value that is read back differs by at most 1/510. Labels
    whose probabilities are nearer than that may change places: the label map is a file of its own.

    Any program reads the file: ``np.load(path)["probabilities"] / 255`` and ``["label_names"]``.

    Args:
        path: the ``.npz`` file.
        probabilities: finite, in [0, 1].
        classes: the class table; label 0 is background.

    Raises:
        ArtifactError: when labels or values are not as said, or the file cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "photo.npz"
    >>> write_probabilities(path, np.array([[[0.8]], [[0.2]]], np.float32), ClassTable(("cat",)))
    >>> stored = read_probabilities(path)
    >>> stored.label_names, stored.probabilities.round(3).tolist()
    (('background', 'cat'), [[[0.800000011920929]], [[0.20000000298023224]]])
    """
    if len(probabilities) != classes.num_labels:
        raise ArtifactError(
            f"probabilities for {path} must be of {classes.num_labels} labels, got {len(probabilities)}",
            help="write them with the class table of their network",
        )
    require_unit_range(probabilities, what=f"probabilities for {path}", help="pass the softmax of the logits")
    _FILE.write(path, to_steps(probabilities), np.array(classes.label_names, np.str_))


def read_probabilities(path: Path) -> ProbabilityFile:
    """Read the probabilities of one image as float32.

    Raises:
        ArtifactError: when the file is missing, damaged, or holds no probabilities.
    """
    stored, names = _FILE.read(path)
    if stored.dtype != np.uint8 or stored.ndim != 3 or names.dtype.kind != "U" or names.shape != stored.shape[:1]:
        raise _FILE.damaged(path, f"values of type {stored.dtype} and shape {stored.shape} for {names.size} labels")
    if 0 in stored.shape:
        raise _FILE.damaged(path, f"values of shape {stored.shape}")
    label_names = tuple(_FILE.texts(path, names))
    if label_names[0] != "background" or len(set(label_names)) != len(label_names):
        raise _FILE.damaged(path, f"labels that begin with '{label_names[0]}', or two of one name")
    return ProbabilityFile(from_steps(stored), label_names)
