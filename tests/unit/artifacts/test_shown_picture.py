"""Pictures in notebooks and viewers."""

import base64
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tagseg.artifacts import shown_picture
from tagseg.artifacts.shown_picture import picture_html, shares_text, show_picture

PICTURE = np.full((30, 40, 3), 200, np.uint8)


def test_the_picture_is_inside_the_page() -> None:
    page = picture_html(np.tile(PICTURE, (1, 60, 1)), alt="a photograph")
    encoded = re.search(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert encoded
    with Image.open(BytesIO(base64.b64decode(encoded[1]))) as image:
        assert image.size == (1024, 13)  # shrunk
        assert np.abs(np.array(image).astype(int) - 200).max() <= 2
    assert "http" not in page


def test_names_cannot_be_more_than_text() -> None:
    page = picture_html(PICTURE, alt='"><script>', lines=[((1, 2, 3), "<script>")])
    assert "<script>" not in page and "#010203" in page


def test_of_many_labels_the_largest_are_named() -> None:
    text = shares_text([(f"label {number}", number / 45) for number in range(10)])
    assert text.startswith("label 9 20.0 %, label 8 17.8 %") and text.endswith("label 4 8.9 %, 3 more")


def test_a_viewer_opens_outside_of_notebooks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, below = [], []
    monkeypatch.setattr(Image.Image, "show", lambda self: opened.append(self.size))
    monkeypatch.setattr(shown_picture, "display_in_notebook", below.append)
    show_picture(PICTURE, shown="page")
    assert (opened, below) == ([(40, 30)], [])
    monkeypatch.setattr(shown_picture, "in_notebook", lambda: True)
    show_picture(PICTURE, shown="page")
    show_picture(PICTURE)
    assert (len(opened), below[0], below[1].size) == (1, "page", (40, 30))
