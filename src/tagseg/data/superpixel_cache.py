"""Superpixels on disk: computed once for an image's content and parameters, in parallel, never again."""

import hashlib
import io
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from tagseg.data.images import content_fingerprint, read_image
from tagseg.data.stored_pixels import lacks_pixels
from tagseg.errors import ArtifactError, DataError
from tagseg.progress import Progress, SilentProgress
from tagseg.system.atomic import atomic_write
from tagseg.system.orphans import end_with_parent
from tagseg.system.quiet import quiet_decoders
from tagseg.types import ImageRecord

VERSION = 1
"""Of the algorithm in ``superpixels``: a change there that changes regions raises it, and old files are not found."""

IN_PROCESS = 32
"""Up to this many images are done here: starting processes would take longer."""

_IMAGE = "image"
"""Key of a text in a file: whose content the regions are of."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class SuperpixelSettings:
    """What decides the regions of an image, besides its content.

    Args:
        method: ``felzenszwalb`` or ``slic``.
        max_regions: 1 to 65,535.
    """

    method: Literal["felzenszwalb", "slic"] = "felzenszwalb"
    max_regions: int = 64


class SuperpixelCache:
    """Regions of images, kept as 16-bit grey PNG files named by the image's content.

    A file is named ``<sha256 of the image file>.png`` below a folder named by the parameters: renamed or copied images
    are found again, changed ones are not. Any number of processes may compute at once, since a file appears whole.

    Args:
        root: folder of the cache; made when missing.
        settings: what decides the regions.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PillowImage.new("RGB", (6, 4)).save(Path(folder, "flat.png"))
    ...     cache = SuperpixelCache(Path(folder, "cache"), SuperpixelSettings(max_regions=1))
    ...     failed = cache.compute_missing([ImageRecord("flat", Path(folder, "flat.png"), ())])
    ...     failed, cache.read(Path(folder, "flat.png")).shape
    ([], (4, 6))
    """

    def __init__(self, root: Path, settings: SuperpixelSettings) -> None:
        named = hashlib.sha256(repr((VERSION, sorted(asdict(settings).items()))).encode()).hexdigest()[:8]
        self.folder = root / f"{settings.method}-{settings.max_regions}-{named}"
        self.settings = settings

    def path(self, image_path: Path) -> Path:
        """Return where the regions of an image are, or will be."""
        name = content_fingerprint(image_path)
        return self.folder / name[:2] / f"{name}.png"

    def read(self, image_path: Path) -> NDArray[np.int32]:
        """Return the (H, W) region ids 0..R-1 of the upright image; computed when missing or damaged.

        Raises:
            DataError: when the image cannot be read or the cache cannot be written.
        """
        path = self.path(image_path)
        regions = _read(path, max_regions=self.settings.max_regions)
        return self._compute(image_path, path) if regions is None else regions

    def compute_missing(
        self, records: Sequence[ImageRecord], *, workers: int | None = None, progress: Progress | None = None
    ) -> list[tuple[Path, str]]:
        """Compute the regions that are not in the cache yet; stopped at any moment, the next call goes on.

        Args:
            records: the images.
            workers: processes of one thread each, or None for one a core.
            progress: moves on after every image.

        Returns:
            The images that failed, with the reason, sorted by path.
        """
        paths = sorted({record.image_path for record in records})
        missing = [path for path in paths if not self._is_stored(path)]
        if not missing:
            return []
        failures: list[tuple[Path, str]] = []
        shown = progress or SilentProgress()
        with shown.task("Computing superpixels", total=len(paths), done=len(paths) - len(missing)) as task:
            for path, reason in self._results(missing, workers or os.cpu_count() or 1):
                task.advance()
                if reason:
                    failures.append((path, reason))
        return failures

    def _is_stored(self, image_path: Path) -> bool:
        try:
            return self.path(image_path).exists()
        except DataError:  # no such image: it comes up again, and is reported, when its turn comes
            return False

    def _results(self, missing: list[Path], workers: int) -> Iterator[tuple[Path, str]]:
        """Yield (path, reason for failing or an empty string) of every missing image, in order."""
        if workers == 1 or len(missing) <= IN_PROCESS:
            yield from ((path, self._try(path)) for path in missing)
            return
        # A forked copy of a process that has run torch threads may hang; a spawned one starts clean.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)
        try:
            with _one_thread_each():
                yield from zip(missing, pool.map(self._try, missing, chunksize=4), strict=True)
        finally:  # interrupted or not, do not wait for thousands of images in the queue
            pool.shutdown(cancel_futures=True)

    def _try(self, image_path: Path) -> str:
        try:
            self._compute(image_path, self.path(image_path))
        except DataError as error:
            return str(error)
        return ""

    def _compute(self, image_path: Path, path: Path) -> NDArray[np.int32]:
        # Slow to import for those who find all regions in the cache, or need none: scikit-image.
        from tagseg.data.superpixels import compute_regions

        settings = self.settings
        regions = compute_regions(read_image(image_path), method=settings.method, max_regions=settings.max_regions)
        if self.path(image_path) != path:  # else they would be found under the name of another image, by every run
            raise DataError(
                f"image {image_path} must stay as it is while its superpixels are computed, got a file that changed",
                help="run the same command again",
            )
        _write(path, regions)
        return regions


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start meanwhile use one thread each: they are the parallelism."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _read(path: Path, *, max_regions: int) -> NDArray[np.int32] | None:
    """Return the stored regions, or None when there are none, or the file is damaged or of another image."""
    try:
        with quiet_decoders, PillowImage.open(path, formats=["PNG"]) as stored:
            if lacks_pixels(path, stored):
                return None
            regions = np.array(stored, np.int32)
            image = stored.info.get(_IMAGE, path.stem)  # version 0.1 did not write it
    except Exception:  # decoders raise almost anything on damaged bytes
        return None
    if image != path.stem:
        return None
    return regions if regions.ndim == 2 and regions.max() < max_regions else None


def _write(path: Path, regions: NDArray[np.int32]) -> None:
    """Write a 16-bit PNG that appears whole or not at all."""
    buffer, named = io.BytesIO(), PngInfo()
    named.add_text(_IMAGE, path.stem)
    PillowImage.fromarray(regions.astype(np.uint16)).save(buffer, format="PNG", pnginfo=named)
    try:
        atomic_write(path, buffer.getvalue())
    except ArtifactError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise DataError(
            f"superpixel cache {path.parent} must be writable, got '{reason}'",
            help="free some space, or name another folder in superpixels.cache",
        ) from error
