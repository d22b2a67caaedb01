"""Small files of a data set: text, bytes and pictures, with their folders."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

GREY = np.zeros((2, 3), np.uint8)


def write(path: Path, content: bytes | str) -> Path:
    """Write bytes or text, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def save(path: Path, pixels: Any = GREY, **options: Any) -> Path:
    """Write a picture, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path, **options)
    return path
