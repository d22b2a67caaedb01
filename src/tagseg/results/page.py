"""The page of a run: written for any run folder, and for a run at work."""

from pathlib import Path

from tagseg.errors import ArtifactError
from tagseg.progress import Progress, SilentProgress
from tagseg.results.gallery import gather_gallery
from tagseg.results.source import ReportSource, open_source
from tagseg.results.summary import gather_report
from tagseg.system.atomic import atomic_write

ENDINGS = (".html", ".htm")


def write_report(root: Path, out: Path | None = None, *, progress: Progress | None = None) -> Path:
    """Write the page of any run folder, finished or not.

    Args:
        root: the run folder.
        out: the HTML file; ``report.html`` in the run folder by default.
        progress: moves on after every image.

    Returns:
        The file.

    Raises:
        ArtifactError: when the folder holds no run, the file has another ending, or the page cannot be written.
        DataError: when the data set cannot be read and nothing in the folder tells the classes.
    """
    source, progress = open_source(root), progress or SilentProgress()
    path = out or source.folder.report_path
    require_page(path)
    if source.without_pictures:
        progress.warn(source.without_pictures)
    write_page(source, path, progress=progress)
    return path


def require_page(path: Path) -> None:
    """Look at the name of a page before the work on it begins.

    Raises:
        ArtifactError: when it does not end in ``.html`` or ``.htm``.

    >>> require_page(Path("compare.HTML"))
    """
    if path.suffix.lower() not in ENDINGS:
        raise ArtifactError(
            f"page {path} is an HTML file, got the ending '{path.suffix}'", help="end its name in .html"
        )


def write_page(source: ReportSource, path: Path, *, progress: Progress, search: bool = True) -> int:
    """Write the page of a run.

    Args:
        source: the run.
        path: the HTML file.
        progress: moves on after every image.
        search: whether to look for the worst, the best and the most uncertain images, or to take a few at random.

    Returns:
        How many images it shows.

    Raises:
        ArtifactError: when a file of the run is not as tagseg wrote it, or the page cannot be written.
    """
    from tagseg.report.html import render_report  # a template engine that nothing else needs

    gallery = gather_gallery(source, progress=progress, search=search)
    atomic_write(path, render_report(gather_report(source, gallery)).encode("utf-8", "backslashreplace"))
    return len(gallery.images)
