"""Arrays of one image as a compressed ``.npz``: no pickle, a stated error, whole or absent."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Shaped, UInt8
from numpy import ndarray

from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """One kind of file, with the words of its errors.

    Args:
        kind: what such a file is called, such as ``CAM file``.
        names: of the arrays that it holds.
        make: the help when it is missing, such as ``run the stage extract-cams first``.
        make_again: the help when it is damaged.
        optional: name of an array that a file may lack, or an empty string.

    >>> import tempfile
    >>> counts = ArrayFile("count file", ("counts",), "count first", "count again")
    >>> path = Path(tempfile.mkdtemp()) / "a.npz"
    >>> counts.write(path, np.array([3, 4]))
    >>> [array.tolist() for array in counts.read(path)]
    [[3, 4]]
    """

    kind: str
    names: tuple[str, ...]
    make: str
    make_again: str
    optional: str = ""

    def write(self, path: Path, *arrays: ndarray) -> None:
        """Write one array for each name, atomically, and the optional one if there is one more.

        The same arrays give the same bytes.

        Raises:
            ArtifactError: when the file cannot be written.
        """
        names = self.names if len(arrays) == len(self.names) else (*self.names, self.optional)
        content = dict(zip(names, arrays, strict=True))
        assert not any(array.dtype.hasobject for array in arrays)  # numpy would pickle them, and no reader takes that
        # Numpy before 2.2 stores every keyword as an array, allow_pickle too.
        atomic_write(path, lambda file: np.savez_compressed(file, **content))  # pyright: ignore[reportArgumentType]

    def read(self, path: Path) -> Sequence[ndarray]:
        """Return the arrays in the order of the names, and the optional one last where the file has it.

        Raises:
            ArtifactError: when the file is missing, damaged, or has no array of a name.
        """
        if not path.is_file():
            raise ArtifactError(f"{self.kind} {path} must exist, got no such file", help=self.make)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                optional = [self.optional] if self.optional in content else []
                arrays = [content[name] for name in (*self.names, *optional)]
        except Exception as error:  # a damaged archive trips zipfile, zlib and numpy in ways that nobody lists
            raise self.damaged(path, "a file that cannot be read as one") from error
        if not all(isinstance(array, ndarray) for array in arrays):  # numpy hands out the bytes of any other member
            raise self.damaged(path, "a file that cannot be read as one")
        return arrays

    def texts(self, path: Path, array: Shaped[ndarray, " names"]) -> list[str]:
        """Return the texts of an array of them.

        Raises:
            ArtifactError: when a number in it stands for no character.
        """
        # numpy makes texts of any numbers, which end in an error anywhere later.
        numbers = np.frombuffer(array.astype(array.dtype.newbyteorder("=")).tobytes(), np.uint32)
        if numbers.max(initial=0) > sys.maxunicode:
            raise self.damaged(path, "names that are not text")
        return array.tolist()

    def damaged(self, path: Path, found: str) -> ArtifactError:
        """Return the error for a file whose arrays do not fit each other."""
        message = f"{self.kind} {path} must be a whole file written by tagseg, got {found}"
        return ArtifactError(message, help=self.make_again)


def require_unit_range(values: Float[ndarray, "..."], *, what: str, help: str) -> None:
    """Check that values are finite and lie in [0, 1].

    Raises:
        ArtifactError: when they do not.

    >>> require_unit_range(np.array([0.0, 1.0]), what="maps", help="clip them")
    """
    if not is_in_unit_range(values):
        found = f"{values.min():.4g} to {values.max():.4g}"
        raise ArtifactError(f"{what} must lie in [0, 1], got {found}", help=help)


def is_in_unit_range(values: Float[ndarray, "..."]) -> bool:
    """Return whether all values are finite and lie in [0, 1].

    >>> is_in_unit_range(np.array([0.5, np.nan]))
    False
    """
    # A comparison with NaN is false, so this also refuses values that are not finite.
    return not values.size or bool(values.min() >= 0 and values.max() <= 1)


def to_steps(values: Float[ndarray, "*shape"]) -> UInt8[ndarray, "*shape"]:
    """Return values in [0, 1] as the nearest of 256 even steps: ``round(255 * value)``.

    >>> to_steps(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 128, 255]
    """
    return np.rint(values * 255).astype(np.uint8)


def from_steps(steps: UInt8[ndarray, "*shape"]) -> Float32[ndarray, "*shape"]:
    """Return the values of :func:`to_steps`, each off by at most 1/510 and float32 rounding.

    >>> from_steps(np.array([0, 51, 255], np.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    return steps.astype(np.float32) / np.float32(255)
