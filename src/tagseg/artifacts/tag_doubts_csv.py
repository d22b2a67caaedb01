"""Tags that are probably wrong or missing, as a CSV file that spreadsheets open: its writer and its reader."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tagseg.artifacts.spreadsheet import from_cell, write_table
from tagseg.errors import ArtifactError

COLUMNS = ("image", "tag", "kind", "doubt", "x", "y")
MISSING, WRONG = "missing", "wrong"


@dataclass(frozen=True, slots=True)
class TagDoubt:
    """One tag that is probably wrong, or missing.

    Args:
        image: of the data set.
        tag: name of the class.
        kind: ``missing`` or ``wrong``.
        doubt: in [0, 1].
        peak: pixel (x, y) of the upright image that speaks most for a missing tag; None for a wrong one.
    """

    image: str
    tag: str
    kind: str
    doubt: float
    peak: tuple[int, int] | None = None

    def sentence(self) -> str:
        """Return it for people.

        >>> TagDoubt("a", "dog", "missing", 0.934, (12, 30)).sentence()
        "tag 'dog' is probably missing (doubt 0.93): look at pixel 12, 30"
        """
        where = f": look at pixel {self.peak[0]}, {self.peak[1]}" if self.peak else ""
        return f"tag '{self.tag}' is probably {self.kind} (doubt {self.doubt:.2f}){where}"


def write_tag_doubts(path: Path, found: Iterable[TagDoubt]) -> None:
    """Write the rows in their order; the file appears whole."""
    cells = ((each.image, each.tag, each.kind, f"{each.doubt:.4f}", *(each.peak or ("", ""))) for each in found)
    write_table(path, [COLUMNS, *cells])


def read_tag_doubts(path: Path) -> list[TagDoubt]:
    """Return the rows of a file that :func:`write_tag_doubts` wrote.

    Raises:
        ArtifactError: when it is another file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [
            TagDoubt(
                from_cell(row["image"]),
                from_cell(row["tag"]),
                row["kind"],
                float(row["doubt"]),
                (int(row["x"]), int(row["y"])) if row["x"] else None,
            )
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise ArtifactError(
            f"{path} must be a list of doubtful tags that tagseg wrote, got another file",
            help="delete it and run 'tagseg tags' again",
        ) from error
