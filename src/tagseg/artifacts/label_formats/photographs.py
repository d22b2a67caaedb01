"""Photographs next to their labels."""

import shutil
from pathlib import Path

from PIL import Image as PillowImage

from tagseg.data.images import is_turned, read_image


def copy_photograph(photograph: Path, stem: Path) -> Path:
    """Copy a photograph, byte for byte unless its file says that it must be turned: then upright, as PNG.

    Labels are of the upright image, and not every tool turns what it shows.

    Args:
        photograph: its file.
        stem: the new path without the ending; missing parents are made.

    Returns:
        The new path.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    if is_turned(photograph):
        path = stem.with_name(f"{stem.name}.png")
        PillowImage.fromarray(read_image(photograph)).save(path)
        return path
    path = stem.with_name(f"{stem.name}{photograph.suffix}")
    shutil.copyfile(photograph, path)
    return path
