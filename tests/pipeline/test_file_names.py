"""A run on photographs whose names are not text."""

import os

import numpy as np
import pytest
from kit.heard import Heard
from kit.small_run import run, small_recipe
from PIL import Image

from tagseg.artifacts.run_folder import RunFolder
from tagseg.pipeline import run_pipeline
from tagseg.recipe import make_recipe


def test_names_that_are_no_utf_8_run_through(tmp_path):
    folder = tmp_path / "photos" / "cat"
    folder.mkdir(parents=True)
    bad = folder / os.fsdecode(b"bad\xff.jpg")
    try:
        bad.write_bytes(b"no image")
    except OSError:
        pytest.skip("the file system takes text of UTF-8 only")
    pixels = np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / os.fsdecode(b"one\xff.jpg"))
    values = small_recipe(folder.parent, tmp_path / "cache").model_dump(mode="json", exclude_none=True)
    recipe = make_recipe({**values, "data": {"format": "folder", "root": str(folder.parent)}})
    run(recipe, tmp_path / "run")
    found = [item["path"] for item in RunFolder(tmp_path / "run").read_manifest()["data"]["bad_files"]]
    assert list(map(os.fsencode, found)) == [os.fsencode(bad)]  # a failing test prints no name that is not text
    heard = Heard()
    run_pipeline(recipe, tmp_path / "run", progress=heard)
    assert {status for _, status, _ in heard.stages} == {"skip"}
