"""Label maps as palette PNG: every viewer shows colours, every reader gets label ids, 255 is void."""

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from tagseg.classes import VOID, ClassTable
from tagseg.data.stored_pixels import lacks_pixels
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write
from tagseg.system.quiet import quiet_decoders
from tagseg.types import LabelMap


def write_mask(path: Path, labels: LabelMap, classes: ClassTable) -> None:
    """Write a label map as an 8-bit palette PNG in VOC's colours, atomically.

    Args:
        path: the ``.png`` file.
        labels: (H, W) label ids: 0 background, 1..C, 255 void.
        classes: the class table that the ids belong to.

    Raises:
        ArtifactError: when an id belongs to no class, or the file cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "photo.png"
    >>> write_mask(path, np.array([[0, 1, 255]], np.uint8), ClassTable(("cat",)))
    >>> read_mask(path).tolist()
    [[0, 1, 255]]
    """
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=VOID + 1))  # much faster than sorting the pixels
    strange = [label for label in present.tolist() if label >= classes.num_labels and label != VOID]
    if strange:
        raise ArtifactError(
            f"mask {path} holds label ids 0..{classes.num_classes} and {VOID}, got {strange[0]}",
            help="write it with the class table that made it",
        )
    image = Image.fromarray(np.ascontiguousarray(labels))
    image.putpalette(classes.palette())
    _write_png(path, image)


def write_confidence(path: Path, trusted: Bool[np.ndarray, "H W"]) -> None:
    """Write which pixels of a pseudo mask are to be trusted as a one-bit PNG, white for True, atomically.

    Raises:
        ArtifactError: when the file cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "photo.png"
    >>> write_confidence(path, np.array([[True, False, False]]))
    >>> read_confidence(path).tolist()
    [[True, False, False]]
    """
    _write_png(path, Image.fromarray(np.ascontiguousarray(trusted)))


def read_mask(path: Path) -> LabelMap:
    """Read the label ids of a mask that :func:`write_mask` wrote, or of any 8-bit palette or grey image.

    Raises:
        ArtifactError: when the file is missing, damaged, or not 8-bit palette or grey.
    """
    mode, labels = _read_png(path)
    if mode not in ("P", "L"):
        raise ArtifactError(
            f"mask {path} must hold one label id per pixel (PNG mode P or L), got mode {mode}",
            help="save it as a palette PNG without converting it to colours",
        )
    return labels


def read_confidence(path: Path) -> Bool[np.ndarray, "H W"]:
    """Read what :func:`write_confidence` wrote.

    Raises:
        ArtifactError: when the file is missing, damaged, or not of one bit a pixel.
    """
    mode, trusted = _read_png(path)
    if mode != "1":
        raise ArtifactError(
            f"confidence mask {path} must hold one bit per pixel (PNG mode 1), got mode {mode}",
            help="delete it and run the stage make-masks again",
        )
    return trusted


def _write_png(path: Path, image: Image.Image) -> None:
    encoded = BytesIO()
    image.save(encoded, format="PNG")
    atomic_write(path, encoded.getvalue())


def _read_png(path: Path) -> tuple[str, np.ndarray]:
    """Return the mode and the values of a PNG file."""
    if not path.is_file():
        raise ArtifactError(f"mask {path} must exist, got no such file", help="run the stage that writes it first")
    try:
        # One format: Pillow knows others that start outside programs, such as PostScript, whatever the file's name.
        with quiet_decoders, Image.open(path, formats=["PNG"]) as image:
            if lacks_pixels(path, image):
                raise EOFError
            return image.mode, np.array(image)
    except Exception as error:  # decoders raise almost anything on damaged bytes
        raise ArtifactError(
            f"mask {path} must be a whole PNG file, got a file that cannot be read as one",
            help="delete it and run the stage that writes it again",
        ) from error
