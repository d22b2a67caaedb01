"""Masks that people correct on the page, and the superpixels that they fill: the only thing that the server writes.

Axes: H W pixels of the upright image, 3 red, green, blue.
"""

from pathlib import Path

import numpy as np

from tagseg.artifacts.mask_file import write_mask
from tagseg.classes import ClassTable
from tagseg.data.id_names import CLASS_LIST
from tagseg.data.mask_formats.id_masks import folder_of_pictures
from tagseg.data.names import read_class_names
from tagseg.data.superpixels import Regions, compute_regions
from tagseg.errors import ServeError
from tagseg.system.atomic import atomic_write
from tagseg.system.home import with_home
from tagseg.types import Image, LabelMap

_MAX_REGIONS, _WORKING_SIDE_PX = 400, 500
"""Finer than those that networks learn from: a person fills one after another."""


class CorrectionFolder:
    """A folder that ``segmenter.corrections`` can name.

    Args:
        path: made where it is missing; the folder around it must be there.
        classes: of the masks. The names are written beside them, or must be those that are there.

    Raises:
        ServeError: when it cannot be written, or holds masks of other classes.

    >>> import tempfile
    >>> folder = CorrectionFolder(Path(tempfile.mkdtemp()) / "corrected", ClassTable(("cat", "dog")))
    >>> folder.save("a.jpg", np.array([[0, 2]], np.uint8)).name
    'a.jpg.png'
    """

    def __init__(self, path: Path, classes: ClassTable) -> None:
        self.path = path = Path(with_home(str(path)))
        self._classes = classes
        listed = path / CLASS_LIST
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise ServeError(
                f"folder {path} of corrections must be one that can be made, got {error.strerror or error}",
                help="name a folder in one that is there",
            ) from error
        if not listed.exists():
            atomic_write(listed, "".join(f"{name}\n" for name in classes.names).encode())
        elif (names := read_class_names(listed)) != classes.names:
            raise ServeError(
                f"{listed} must list the classes of this network in their order, {', '.join(classes.names)}, "
                f"got {', '.join(names)}",
                help="name another folder",
            )

    def save(self, photograph: str, labels: LabelMap) -> Path:
        """Write a mask and return its file; an earlier one of the photograph is replaced.

        Args:
            photograph: plain name of its file.
            labels: (H, W) label ids.

        Raises:
            ArtifactError: when it cannot be written.
        """
        folder = folder_of_pictures(self.path)
        named, bare = folder / f"{photograph}.png", folder / f"{Path(photograph).stem}.png"
        # A run takes one mask of a photograph; a.png of `tagseg review` is that of a.jpg.
        path = bare if bare.is_file() and not named.is_file() else named
        write_mask(path, labels, self._classes)
        return path


def fine_regions(image: Image) -> Regions:
    """Return the superpixels that a click fills, at most a few hundred."""
    return compute_regions(image, max_regions=_MAX_REGIONS, working_side_px=_WORKING_SIDE_PX)


def region_colors(regions: Regions) -> Image:
    """Return regions as a picture: red and green are the low and the high byte of a region's number.

    >>> region_colors(np.array([[0, 300]], np.int32)).tolist()
    [[[0, 0, 0], [44, 1, 0]]]
    """
    return np.stack([regions & 255, regions >> 8, np.zeros_like(regions)], axis=-1).astype(np.uint8)
