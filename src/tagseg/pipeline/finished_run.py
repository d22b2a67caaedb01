"""What a run left: its folder and its scores, as a line, as a table of a notebook, as pictures."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.run_scores import RunScores
from tagseg.artifacts.scores_file import scores_content
from tagseg.artifacts.shown_picture import show_picture
from tagseg.data.images import read_image


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Args:
        folder: the run folder.
        scored: what ``scores.json`` holds, or None when nothing is scored yet.
    """

    folder: Path
    scored: RunScores | None

    @property
    def scores(self) -> dict[str, Any]:
        """The content of ``scores.json`` as it is documented, empty when nothing is scored yet."""
        return scores_content(self.scored) if self.scored else {}

    @property
    def seed_mean_iou(self) -> float | None:
        """Best mIoU (0..1) of the seeds as the next stage gets them, or None without ground truth."""
        handed_on = self.scored.handed_on if self.scored else None
        return handed_on.best.scores.mean_iou if handed_on else None

    @property
    def pseudo_mask_mean_iou(self) -> float | None:
        """The mIoU (0..1) of the pseudo masks as they were made, or None without ground truth."""
        made = self.scored.pseudo_masks if self.scored else None
        return made.masks.scores.mean_iou if made else None

    @property
    def segmenter_mean_iou(self) -> float | None:
        """The mIoU (0..1) of the segmentation network on the images to test on, or None without ground truth."""
        tested = self.scored.segmenter if self.scored else None
        return tested.scores.mean_iou if tested else None

    def __repr__(self) -> str:
        """Return the folder and the mIoU of its results, in one line."""
        known = [f"{name} {100 * value:.1f} %" for name, value in self._mean_ious().items() if value is not None]
        return f"Run({str(self.folder)!r}, mIoU: {', '.join(known)})" if known else f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """Return a table of the scores and where the page of the run is, for a notebook."""
        rows = "".join(
            f"<tr><td>{name}</td><td>{'-' if value is None else f'{100 * value:.1f} %'}</td></tr>"
            for name, value in self._mean_ious().items()
        )
        report = RunLayout(self.folder).report_path
        page = f"<br>report: {escape(str(report))}" if report.exists() else ""
        return f"<table><tr><th>result</th><th>mIoU</th></tr>{rows}</table>run: {escape(str(self.folder))}{page}"

    def show(self, *, count: int = 4) -> None:
        """Show photographs with their maps, seeds, masks and ground truth: in a notebook, or in a viewer.

        Args:
            count: photographs, at least 1, evenly spaced by id.

        Raises:
            ArtifactError: when the run has no maps.
        """
        from tagseg.results.figure import FigureChoice, write_figure

        with TemporaryDirectory() as place:
            path = Path(place, "run.png")
            write_figure([self.folder], path, choice=FigureChoice(count=count))
            show_picture(read_image(path))

    def _mean_ious(self) -> dict[str, float | None]:
        return {
            "seeds": self.seed_mean_iou,
            "pseudo masks": self.pseudo_mask_mean_iou,
            "segmenter": self.segmenter_mean_iou,
        }
