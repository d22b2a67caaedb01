"""A table of the scores of every image by itself, for a spreadsheet."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tagseg.artifacts.run_scores import LabelScores
from tagseg.artifacts.scores_table import label_rows
from tagseg.artifacts.spreadsheet import write_table
from tagseg.errors import ArtifactError

ImageRow = tuple[str, str, int, LabelScores]
"""What is scored, id of the image, its pixels that are not void, and its scores."""


def write_image_scores(path: Path, rows: Iterable[ImageRow], label_names: Sequence[str]) -> None:
    """Write a row for each image, atomically; a score that is not defined is left empty.

    Args:
        path: ends in ``.csv``.
        rows: of the images.
        label_names: background first.

    Raises:
        ArtifactError: when the path has another ending or cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "images.csv"
    >>> scores = LabelScores(0.5, 1.0, 0.5, 0.75, {"background": 0.5, "cat": None})
    >>> write_image_scores(path, [("predictions", "a", 8, scores)], ("background", "cat"))
    >>> path.read_text().splitlines()[1]
    'predictions,a,8,0.5,1.0,0.5,0.75,0.5,'
    """
    require_csv(path)
    names = [name for name, _ in label_rows(LabelScores(None, iou=dict.fromkeys(label_names)))]
    values = ((what, name, pixels, *(text for _, text in label_rows(scores))) for what, name, pixels, scores in rows)
    write_table(path, [("what", "image", "pixels", *names), *values])


def require_csv(path: Path) -> None:
    """Raise :class:`ArtifactError` when the path of a table has another ending."""
    if path.suffix.lower() != ".csv":
        raise ArtifactError(f"scores of images {path} must be written to .csv, got '{path.suffix}'", help="rename it")
