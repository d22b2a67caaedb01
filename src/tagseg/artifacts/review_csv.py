"""Photographs to correct, and why these, as a CSV file that spreadsheets open."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tagseg.artifacts.spreadsheet import write_table

REVIEW_NAME = "review.csv"
COLUMNS = ("image", "tags", "doubt", "chosen_before", "worth")


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One photograph to correct, with the numbers that chose it.

    Args:
        image: of the data set.
        tags: names of its classes.
        doubt: share of pixels of which the mask is not sure, in [0, 1].
        chosen_before: photographs of the same tags that were chosen before.
        worth: what the choice went by.
    """

    image: str
    tags: tuple[str, ...]
    doubt: float
    chosen_before: int
    worth: float


def write_review(path: Path, rows: Iterable[ReviewRow]) -> None:
    """Write the rows in their order, tags parted by ``;``; the file appears whole.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "review.csv"
    >>> write_review(path, [ReviewRow("a/b", ("cat", "dog"), 0.5, 1, 0.25)])
    >>> path.read_text().split()
    ['image,tags,doubt,chosen_before,worth', 'a/b,cat;dog,0.5000,1,0.2500']
    """
    cells = ((row.image, ";".join(row.tags), f"{row.doubt:.4f}", row.chosen_before, f"{row.worth:.4f}") for row in rows)
    write_table(path, [COLUMNS, *cells])
