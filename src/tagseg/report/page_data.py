"""What a page's scripts work on: a gallery, its colours and its sweeps as JSON that is safe inside HTML."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from tagseg.classes import VOID
from tagseg.report.colors import PALETTES, VOID_COLORS, css_color, palette_colors
from tagseg.report.comparison import Comparison
from tagseg.report.content import GalleryImage, Report, Sweep

_START = 0.2
"""Background score at which a slider starts when nothing tells a better one; that of the release."""


def script_json(value: Mapping[str, Any]) -> Markup:
    r"""Return JSON for a ``<script type="application/json">``: no text in it can end the script or begin a comment.

    >>> script_json({"name": "</script>"})
    Markup('{"name":"\\u003c/script>"}')
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def palettes_data(num_labels: int) -> dict[str, dict[str, str]]:
    """Return, for each palette, the colours of labels 1 to ``num_labels - 1`` and of void, by label id.

    >>> palettes_data(2)["safe"]
    {'1': '#e69f00', '255': '#d8d8d8'}
    """
    return {
        palette: {
            **{str(label): color for label, color in enumerate(palette_colors(palette, num_labels)) if label},
            str(VOID): css_color(VOID_COLORS[palette]),
        }
        for palette in PALETTES
    }


def sweep_data(sweep: Sweep) -> dict[str, Any]:
    """Return what the slider of the background score reads: points as ``[background_score, mean_iou]``."""
    points = [[point.background_score, point.mean_iou] for point in sweep.points]
    return {"title": sweep.title, "best": sweep.best, "points": points}


def image_data(image: GalleryImage, *, shared: bool = True) -> dict[str, Any]:
    """Return one image of a gallery, pictures as base64.

    Args:
        image: of the report.
        shared: whether photo and truth are in it; runs side by side have them in common.
    """
    labels = {name: picture for name, picture in image.labels.items() if shared or name != "truth"}
    found: dict[str, Any] = {
        "cams": {kind: _pictures(maps) for kind, maps in image.cams.items()},
        "labels": _pictures(labels),
        "miou": image.mean_iou,
        "uncertainty": image.uncertainty,
    }
    if shared:
        found |= {"id": image.image_id, "tags": image.tags, "size": image.size, "why": image.why}
        found |= {"photo": _base64(image.photo)}
    return found


def report_data(report: Report) -> dict[str, Any]:
    """Return all that the script of a report's page reads."""
    return {
        "labels": report.label_names,
        "palettes": palettes_data(len(report.label_names)),
        "sweeps": {sweep.key: sweep_data(sweep) for sweep in report.sweeps},
        "backgroundScore": _START if report.background_score is None else report.background_score,
        "galleryScore": report.gallery_score,
        "images": [image_data(image) for image in report.gallery],
    }


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """Return all that the script of a comparison's page reads; photos and truth are in it once."""
    first = comparison.reports[0]
    shared = [image_data(image) for image in first.gallery]
    truths = [_first_truth(comparison.reports, index) for index in range(len(first.gallery))]
    for image, truth in zip(shared, truths, strict=True):
        image["labels"] = truth
        image["cams"] = {}
    runs = [
        {
            "title": run.title,
            "galleryScore": run.gallery_score,
            "sweeps": {sweep.key: sweep_data(sweep) for sweep in run.sweeps},
            "images": [image_data(image, shared=False) for image in run.gallery],
        }
        for run in comparison.reports
    ]
    palettes = palettes_data(len(first.label_names))
    return {"labels": first.label_names, "palettes": palettes, "runs": runs, "images": shared}


def _first_truth(reports: Sequence[Report], index: int) -> dict[str, str]:
    """Return the truth of an image from the first run that holds it."""
    labels = (report.gallery[index].labels for report in reports if report.gallery)
    return next(({"truth": _base64(found["truth"])} for found in labels if "truth" in found), {})


def _pictures(pictures: Mapping[Any, bytes]) -> dict[str, str]:
    return {str(name): _base64(picture) for name, picture in pictures.items()}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
