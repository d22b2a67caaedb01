"""Photographs and masks that must stay as a run found them while it is at work: what reads one looks whether it has."""

from collections.abc import Callable
from pathlib import Path

from jaxtyping import Integer
from numpy import ndarray

from tagseg.data.images import read_image
from tagseg.errors import DataError
from tagseg.types import FileStamp, Image, ImageRecord, LabelMap


def stamp_of(path: Path) -> FileStamp:
    """Return path, size in bytes and time of change in ns of a file; of one that is not there 0 and 0.

    >>> stamp_of(Path("/nowhere/a.png"))
    ('/nowhere/a.png', 0, 0)
    """
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), found.st_size, found.st_mtime_ns


def require_unchanged(record: ImageRecord) -> None:
    """Check that the files of a record are those that the run found when it began; one without stamps may be any.

    Call it after reading, and before anything is kept of what was read.

    Raises:
        DataError: when one was replaced, edited or removed meanwhile.
    """
    for seen in record.seen:
        if stamp_of(Path(seen[0])) != seen:
            raise DataError(
                f"{seen[0]} must stay as it is while a run is at work, got a file that changed",
                help="put it back, then run the same command again; a run on the changed file has another --out",
            )


def read_photograph(record: ImageRecord) -> Image:
    """Return the upright (H, W, 3) image of a record.

    Raises:
        DataError: when it cannot be read, or changed since the run began.

    >>> import tempfile
    >>> from dataclasses import replace
    >>> from PIL import Image as PillowImage
    >>> path = Path(tempfile.mkdtemp(), "a.png")
    >>> PillowImage.new("RGB", (3, 2)).save(path)
    >>> record = ImageRecord("a", path, (1,), seen=(stamp_of(path),))
    >>> read_photograph(record).shape
    (2, 3, 3)
    """
    image = read_image(record.image_path)
    require_unchanged(record)
    return image


def read_truth(record: ImageRecord) -> LabelMap:
    """Return the (H, W) label ids of the ground truth of a record that has one.

    Raises:
        DataError: when it cannot be read, or changed since the run began.
    """
    assert record.mask is not None
    truth = record.mask.read()
    require_unchanged(record)
    return truth


def read_regions(record: ImageRecord, read: Callable[[Path], Integer[ndarray, "H W"]]) -> Integer[ndarray, "H W"]:
    """Return the regions of a record's photograph.

    Args:
        record: of the photograph.
        read: reads the regions 0..R-1 of an image file.

    Raises:
        DataError: when the photograph changed since the run began.
    """
    regions = read(record.image_path)
    require_unchanged(record)
    return regions
