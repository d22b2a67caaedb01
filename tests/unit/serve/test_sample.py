"""A picture to try: one that is named, a drawn one, or none."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from kit.messages import assert_says
from kit.serving import Client, photo
from PIL import Image as PillowImage

from tagseg.classes import ClassTable
from tagseg.data.drawn_pictures import SYNTHETIC_CLASSES
from tagseg.errors import ImageFormatError, ServeError
from tagseg.serve.limits import Limits
from tagseg.serve.sample import drawn_sample, read_sample


def test_networks_of_the_demo_get_a_drawn_one() -> None:
    sample = drawn_sample(SYNTHETIC_CLASSES)
    assert sample is not None
    assert np.array(PillowImage.open(BytesIO(sample.data))).shape == (240, 320, 3)
    assert drawn_sample(ClassTable((*SYNTHETIC_CLASSES.names, "cat"))) is sample
    assert drawn_sample(ClassTable(SYNTHETIC_CLASSES.names[:4])) is None


def test_without_one_there_is_none(serving, full_run: Path) -> None:
    client: Client = serving(full_run)
    assert client.get("/info").json()["sample"] is None
    assert client.get("/sample").status == 404


def test_a_named_one_is_its_file(tmp_path: Path) -> None:
    content = photo()
    (tmp_path / "a.png").write_bytes(content)
    sample = read_sample(tmp_path / "a.png", Limits())
    assert (sample.name, sample.data) == ("a.png", content)


def test_no_file(tmp_path: Path) -> None:
    problem = f"sample {tmp_path / 'a.png'} must be an image file, got no such file"
    help = "correct the path, or leave --sample out"
    assert_says(lambda: read_sample(tmp_path / "a.png", Limits()), ServeError, problem, help)


def test_a_large_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bytes(1_500_000))
    problem = f"sample {tmp_path / 'a.png'} must be at most 1 MB, got 1.5 MB"
    help = "name a smaller copy, or start with a higher --max-upload-mb"
    assert_says(lambda: read_sample(tmp_path / "a.png", Limits(upload_mb=1)), ServeError, problem, help)


def test_one_that_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(ImageFormatError, match="must be one of"):
        read_sample(tmp_path / "a.png", Limits())
