"""Labels of photographs in the files of a format."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tagseg.classes import ClassTable
from tagseg.use.label_files import FormatChoice, label_files


def test_the_score_of_an_object_that_fills_its_photograph_is_the_share_to_trust(tmp_path: Path) -> None:
    photograph = tmp_path / "a.png"
    Image.new("RGB", (8, 6)).save(photograph)
    trusted = np.arange(8) < 2
    choice = FormatChoice("coco", min_area_px=0)
    with label_files(tmp_path, choice, ClassTable(("cat",)), title="a", split="all") as (files, _):
        files.add("a", photograph, np.ones((6, 8), np.uint8), trusted=np.tile(trusted, (6, 1)))
    (written,) = json.loads((tmp_path / "annotations.json").read_text())["annotations"]
    assert written["score"] == 0.25
