"""What can be done with a prediction."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from tagseg.artifacts import shown_picture
from tagseg.artifacts.mask_file import read_mask
from tagseg.classes import ClassTable
from tagseg.prediction.result import Prediction

CLASSES = ClassTable(("cat", "dog", "cow"))


def example() -> Prediction:
    labels = np.array([[0, 1, 1], [3, 0, 1]], np.uint8)
    image = np.full((2, 3, 3), 100, np.uint8)
    return Prediction(labels, np.full((2, 3), 0.75, np.float32), CLASSES, image)


def test_area_counts_the_pixels_of_every_label():
    assert example().area() == {"background": 2, "cat": 3, "dog": 0, "cow": 1}


def test_an_overlay_colours_classes_and_leaves_the_background():
    found = example()
    laid = found.overlay(opacity=0.5)
    assert laid[0, 0].tolist() == [100, 100, 100]
    assert laid[0, 1].tolist() == [114, 50, 50]  # half of (128, 0, 0)
    assert found.overlay(opacity=1.0)[1, 0].tolist() == found.palette[9:12]
    np.testing.assert_array_equal(found.overlay(opacity=0.0), found.image)
    black = np.zeros((2, 3, 3), np.uint8)
    assert found.overlay(black)[0, 0].tolist() == [0, 0, 0]
    assert found.overlay(black, opacity=1.0)[0, 1].tolist() == [128, 0, 0]
    assert found.image.min() == found.image.max() == 100


@pytest.mark.parametrize("kind", [str, Path])
def test_a_saved_prediction_is_read_back(tmp_path: Path, kind: type):
    found = example()
    path = tmp_path / "deep" / "labels.png"
    found.save(kind(path))
    np.testing.assert_array_equal(read_mask(path), found.labels)
    with PillowImage.open(path) as opened:
        assert opened.mode == "P"
        assert np.array(opened.convert("RGB"))[0, 1].tolist() == [128, 0, 0]


def shown_prediction() -> Prediction:
    labels = np.array([[0, 0, 0, 2]], np.uint8)
    image = np.full((1, 4, 3), 100, np.uint8)
    return Prediction(labels, np.ones((1, 4), np.float32), ClassTable(("cat", "<i>")), image)


def test_it_prints_as_one_short_line():
    assert repr(shown_prediction()) == "Prediction(1 x 4 px: background 75.0 %, <i> 25.0 %)"


def test_a_notebook_shows_the_overlay_with_its_colours():
    page = shown_prediction()._repr_html_()
    assert "data:image/jpeg" in page and "cat" not in page
    assert "#008000" in page and "&lt;i&gt; 25.0 %" in page and "background 75.0 %" in page


def test_it_is_shown_as_its_overlay(monkeypatch: pytest.MonkeyPatch):
    shown = []
    monkeypatch.setattr(
        shown_picture, "show_picture", lambda picture, **others: shown.append((picture.tolist(), others))
    )
    prediction = shown_prediction()
    prediction.show()
    assert shown == [(prediction.overlay().tolist(), {"shown": prediction})]
