"""The file of a figure: its ending says what it becomes, and which unit its width has."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from tagseg.errors import ArtifactError
from tagseg.report.figures import encode_png
from tagseg.report.panel import panel
from tagseg.report.panel_layout import DESIGN_WIDTH, LegendEntry, PanelLayout, PanelRow
from tagseg.system.atomic import atomic_write

ENDINGS = (".png", ".pdf", ".svg")
"""Pixels for screens, and two kinds of vectors for papers."""

WIDTH_MM = 170.0
"""Of a PDF or SVG file unless it is asked for another one: two columns of a journal."""


@dataclass(frozen=True, slots=True)
class FigureFile:
    """Where a figure goes, and how wide it is.

    Args:
        path: ends in one of :data:`ENDINGS`, in any case.
        width_px: of a PNG file; None for 900.
        width_mm: of a PDF or SVG file; None for 170.

    Raises:
        ArtifactError: when the file has another ending, or a width in the other unit.

    >>> FigureFile(Path("a.png")).side_px(5), FigureFile(Path("a.pdf"), width_mm=85.0).side_px(5)
    (173, 373)
    """

    path: Path
    width_px: int | None = None
    width_mm: float | None = None

    def __post_init__(self) -> None:
        if self._ending not in ENDINGS:
            raise ArtifactError(
                f"figure {self.path} is a PNG, PDF or SVG file, got the ending '{self.path.suffix}'",
                help="end its name in .png, .pdf or .svg",
            )
        if self._ending == ".png" and self.width_mm is not None:
            raise ArtifactError(
                f"figure {self.path} has a width in pixels, got {self.width_mm:g} mm",
                help="give --width-px, or end its name in .pdf or .svg",
            )
        if self._ending != ".png" and self.width_px is not None:
            raise ArtifactError(
                f"figure {self.path} has a width in millimetres, got {self.width_px} px",
                help="give --width-mm, or end its name in .png",
            )

    def side_px(self, num_columns: int) -> int:
        """Return the longest side of which an image loses nothing in its cell."""
        if self._ending == ".png":
            return PanelLayout(num_columns, self._width_px).cell
        from tagseg.report.vector_panel import cell_side_px  # brings matplotlib, which pixels do without

        return cell_side_px(num_columns, width_mm=self._width_mm)

    def write(self, columns: Sequence[str], rows: Sequence[PanelRow], *, legend: Sequence[LegendEntry]) -> None:
        """Write a labelled grid of images, see :func:`tagseg.report.panel.panel`; the same grid gives the same bytes.

        Raises:
            ArtifactError: when the file cannot be written.
        """
        if self._ending == ".png":
            content = encode_png(panel(columns, rows, legend=legend, width_px=self._width_px))
        else:
            from tagseg.report.vector_panel import vector_panel  # as above

            format = cast("Literal['pdf', 'svg']", self._ending[1:])
            content = vector_panel(columns, rows, legend=legend, width_mm=self._width_mm, format=format)
        atomic_write(self.path, content)

    @property
    def _ending(self) -> str:
        return self.path.suffix.lower()

    @property
    def _width_px(self) -> int:
        return DESIGN_WIDTH if self.width_px is None else self.width_px

    @property
    def _width_mm(self) -> float:
        return WIDTH_MM if self.width_mm is None else self.width_mm
