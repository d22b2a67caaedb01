"""One image's class activation maps as a compressed ``.npz``: no pickle, a stated error, whole or absent.

Axes: C_t tagged classes of the image, H W pixels of the upright image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy import ndarray

from tagseg.artifacts.array_file import ArrayFile, from_steps, is_in_unit_range, require_unit_range, to_steps
from tagseg.classes import BACKGROUND, MAX_CLASSES
from tagseg.errors import ArtifactError

CamType = Literal["uint8", "float16"]

_FILE = ArrayFile(
    kind="CAM file",
    names=("cam", "label_ids"),
    make="run the stage extract-cams first",
    make_again="delete it and run the stage extract-cams again",
    optional="region_scores",
)


@dataclass(frozen=True, slots=True)
class CamFile:
    """The maps of one image.

    Args:
        cam: in [0, 1].
        label_ids: the class of each map, ascending, 1..C; empty for an image without tags.
        region_scores: of each map after region affinity, in [0, 1]; None where there was none.

    >>> maps = CamFile(np.array([[[0.2, 0.9]], [[0.6, 0.9]]], np.float32), (3, 7))
    >>> maps.labels(0.6).tolist()
    [[0, 3]]
    """

    cam: Float32[ndarray, "C_t H W"]
    label_ids: tuple[int, ...]
    region_scores: Float32[ndarray, "C_t R"] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.cam.shape[1], self.cam.shape[2]

    def strongest(self) -> tuple[UInt8[ndarray, "H W"], Float32[ndarray, "H W"]]:
        """Return each pixel's strongest class (the lower label id of two equal ones) and its score.

        An image without tags gives background and 0 everywhere.
        """
        if not self.label_ids:
            return np.full(self.size, BACKGROUND, np.uint8), np.zeros(self.size, np.float32)
        winners = self.cam.argmax(axis=0)
        return np.asarray(self.label_ids, np.uint8)[winners], self.cam.max(axis=0)

    def scores_of(self, num_regions: int, *, path: Path) -> Float32[ndarray, "C_t R"]:
        """Return the region scores.

        Args:
            num_regions: R, of the superpixels that are painted with them.
            path: the file, for the error.

        Raises:
            ArtifactError: when there are none, or they are of other superpixels.
        """
        if self.region_scores is None or self.region_scores.shape[1] != num_regions:
            found = "none" if self.region_scores is None else str(self.region_scores.shape[1])
            raise _FILE.damaged(path, f"{found} region scores where the image has {num_regions} superpixels")
        return self.region_scores

    def labels(self, background_score: float) -> UInt8[ndarray, "H W"]:
        """Return the strongest class of every pixel that scores above ``background_score``, background elsewhere.

        Args:
            background_score: in [0, 1]; a pixel that scores exactly this is background.
        """
        label_map, score = self.strongest()
        return np.where(above(score, background_score), label_map, np.uint8(BACKGROUND))


def above(score: Float32[ndarray, "H W"], background_score: float) -> Bool[ndarray, "H W"]:
    """Return where ``score`` exceeds ``background_score``, both in float32: the one rule for seeds and their sweep."""
    return score > np.float32(background_score)


def write_cam(
    path: Path,
    cam: Float32[ndarray, "C_t H W"],
    label_ids: Sequence[int],
    *,
    region_scores: Float32[ndarray, "C_t R"] | None = None,
    dtype: CamType = "uint8",
) -> None:
    """Write the maps of one image, atomically; the same maps give the same bytes.

    A value that is read back differs by at most 1/510 (``uint8``, 256 even steps) or 2^-12 (``float16``), and float32
    rounding.

    Args:
        path: the ``.npz`` file.
        cam: finite, in [0, 1].
        label_ids: the class of each map, ascending, 1..254.
        region_scores: finite, in [0, 1]; stored as float16. None for none.
        dtype: how the values of the maps are stored.

    Raises:
        ArtifactError: when values or label ids are not as said, or the file cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "photo.npz"
    >>> write_cam(path, np.array([[[0.0, 0.5, 1.0]]], np.float32), (4,))
    >>> stored = read_cam(path)
    >>> stored.label_ids, stored.size, abs(float(stored.cam[0, 0, 1]) - 0.5) <= 1 / 509
    ((4,), (1, 3), True)
    """
    ids = tuple(int(label) for label in label_ids)
    if len(ids) != len(cam) or not _are_label_ids(ids):
        raise ArtifactError(
            f"maps for {path} must have one ascending label id in 1..{MAX_CLASSES} each, got {ids} for {len(cam)}",
            help="pass the label ids of the image's tags, in the order of the maps",
        )
    require_unit_range(
        cam,
        what=f"maps for {path}",
        help="check that the classifier's training did not diverge, and train it again with a lower learning rate",
    )
    arrays = [to_steps(cam) if dtype == "uint8" else cam.astype(np.float16), np.asarray(ids, np.uint8)]
    if region_scores is not None:
        arrays.append(region_scores.astype(np.float16))
    _FILE.write(path, *arrays)


def read_cam(path: Path) -> CamFile:
    """Read the maps of one image as float32.

    Raises:
        ArtifactError: when the file is missing, damaged, or holds no maps.
    """
    stored, ids, *shared = _FILE.read(path)
    if stored.dtype not in (np.uint8, np.float16) or stored.ndim != 3 or ids.shape != stored.shape[:1]:
        found = f"maps of type {stored.dtype} and shape {stored.shape} for {ids.size} classes"
        raise _FILE.damaged(path, found)
    label_ids = tuple(ids.tolist())
    if ids.dtype != np.uint8 or not _are_label_ids(label_ids):
        raise _FILE.damaged(path, f"label ids {label_ids} of type {ids.dtype}")
    if 0 in stored.shape[1:]:
        raise _FILE.damaged(path, f"maps of shape {stored.shape}")
    scores = _checked(path, shared[0], num_maps=len(stored)) if shared else None
    if stored.dtype == np.uint8:
        return CamFile(from_steps(stored), label_ids, scores)
    cam = stored.astype(np.float32)
    if not is_in_unit_range(cam):
        raise _FILE.damaged(path, f"values {cam.min():.4g} to {cam.max():.4g}")
    return CamFile(cam, label_ids, scores)


def _checked(path: Path, scores: ndarray, *, num_maps: int) -> Float32[ndarray, "C_t R"]:
    if scores.dtype != np.float16 or scores.ndim != 2 or len(scores) != num_maps:
        raise _FILE.damaged(path, f"region scores of type {scores.dtype} and shape {scores.shape} for {num_maps} maps")
    if not is_in_unit_range(scores):
        raise _FILE.damaged(path, f"region scores {scores.min():.4g} to {scores.max():.4g}")
    return scores.astype(np.float32)


def _are_label_ids(ids: tuple[int, ...]) -> bool:
    """Return whether ids are ascending and each in 1..254."""
    return list(ids) == sorted(set(ids)) and all(0 < label <= MAX_CLASSES for label in ids)
