"""A picture to try the page with: one that the user names, or a drawn one where the networks know what it shows."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image as PillowImage

from tagseg.classes import ClassTable
from tagseg.data.drawn_pictures import SYNTHETIC_CLASSES, generate_image
from tagseg.data.images import read_image
from tagseg.errors import ServeError
from tagseg.serve.answers import png
from tagseg.serve.limits import MEGABYTE, Limits
from tagseg.serve.uploads import plain_name
from tagseg.system.home import with_home
from tagseg.system.near_paths import near_path_help

_SEED, _INDEX, _SIZE = 1, 1, (240, 320)


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture to try.

    Args:
        name: of its file.
        data: its bytes.
    """

    name: str
    data: bytes = field(repr=False)


def read_sample(path: Path, limits: Limits) -> Sample:
    """Return the picture that a user names.

    Args:
        path: of an image file; whoever may use the server sees it.
        limits: of a request.

    Raises:
        DataError: when it is not an image that can be read.
        ServeError: when there is no such file, or it is larger than a request may be.
    """
    path = Path(with_home(str(path)))
    if not path.is_file():
        raise ServeError(
            f"sample {path} must be an image file, got no such file",
            help=near_path_help(path, "correct the path, or leave --sample out"),
        )
    found = path.stat().st_size
    if found > limits.upload_bytes:
        raise ServeError(
            f"sample {path} must be at most {limits.upload_mb} MB, got {found / MEGABYTE:.1f} MB",
            help="name a smaller copy, or start with a higher --max-upload-mb",
        )
    read_image(path)
    return Sample(plain_name(path.name), path.read_bytes())


def drawn_sample(classes: ClassTable) -> Sample | None:
    """Return a drawn picture, None where the classes are not all those that it may show.

    >>> drawn_sample(ClassTable(("cat", "dog"))) is None
    True
    """
    return _drawn() if set(classes.names) >= set(SYNTHETIC_CLASSES.names) else None


@cache
def _drawn() -> Sample:
    image, _, _ = generate_image(_SEED, _INDEX, size=_SIZE)
    return Sample("sample.png", png(PillowImage.fromarray(image)))
