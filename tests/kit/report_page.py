"""Hands and eyes on the page of a report in a browser."""

from typing import Any

import numpy as np

from kit.report_samples import LABELS
from tagseg.report.colors import palette_colors


def set_slider(page: Any, selector: str, value: float) -> None:
    """Move a slider as a hand would: its value, then its event; then wait until the page has drawn it."""
    page.locator(selector).evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input', { bubbles: true })); }",
        str(value),
    )
    settle(page)


def settle(page: Any) -> None:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def drawn_labels(page: Any, canvas: Any, palette: str = "voc") -> np.ndarray:
    """Return the label ids that a canvas shows: transparent is background."""
    width, height, values = canvas.evaluate(
        """(canvas) => [canvas.width, canvas.height,
            [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]]"""
    )
    rgba = np.array(values, np.uint8).reshape(height, width, 4)
    labels = np.full((height, width), -1)
    labels[rgba[..., 3] == 0] = 0
    for label, color in enumerate(palette_colors(palette, len(LABELS))):
        if label:
            rgb = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
            labels[(rgba[..., :3] == rgb).all(-1) & (rgba[..., 3] == 255)] = label
    return labels


def shown_ids(page: Any) -> list[str]:
    return page.locator(".card").evaluate_all("(cards) => cards.map((card) => card.dataset.imageId)")
