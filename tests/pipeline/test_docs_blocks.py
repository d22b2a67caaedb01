"""The blocks of the documents are executed: Python as it stands, and commands on a small run in place of the demo."""

import importlib.util
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from kit.command_line import exit_code
from kit.serving import Client, running
from PIL import Image

import tagseg
from tagseg.data.drawn_pictures import write_dataset
from tagseg.pipeline import Run, run_pipeline
from tagseg.progress import SilentProgress
from tagseg.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NUM_IMAGES = 20
SMALL = (
    *(f"data.num_images={NUM_IMAGES}", "data.test_num_images=4", "data.image_size_px=64"),
    *("training.epochs=1", "training.crop_size_px=64", "training.long_side_px=[58, 80]"),
    *("training.validation_images=0", "self_modulation.enabled=false", "masks.refine=[]", "engine.threads=1"),
    *("segmenter.epochs=1", "segmenter.crop_size_px=64", "segmenter.long_side_px=[58, 80]"),
)
QUICK = {"init", "check", "doctor", "recipes", "predict", "export", "figure", "report", "compare", "tags", "review"}
"""Commands that train nothing. `run` and `demo` are those of tests/pipeline/test_run.py and .ci/check_wheel.py."""

NOT_HERE = ("me/dogs", "pretrained=True", "voc-server")
"""What asks the hub or the server of published weights, and a format for runs of VOC's classes alone."""

HAS_ONNX = all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "onnxscript")))
"""Whether the extra is there; it needs a newer torch than the others."""

GENERATED = ROOT / "docs" / "reference" / "command_line.md"
"""Made from the help; test_main.py parses its examples."""


def small_run(recipe: str, *, out: str) -> Run:
    return run_pipeline(load_recipe(recipe, list(SMALL)), Path(out), progress=SilentProgress())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of the demo and its plain CAM, a run of photographs, and photographs."""
    root = tmp_path_factory.mktemp("place")
    small_run("demo", out=str(root / "runs" / "demo"))
    shutil.copytree(root / "runs" / "demo", root / "runs" / "demo" / "plain")
    for copy in ("photos", "corrected"):
        shutil.copytree(root / "runs" / "demo", root / "runs" / copy)
    write_dataset(root / "photos", num_images=3, size=(64, 64))
    pixels = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    for name in (
        "photo.jpg",
        "photo.png",
        "portrait.png",
        "scan.tif",
        "a.jpg",
        "b.jpg",
        "NEW/a.jpg",
        "photos/a.jpg",
        "photos/b.jpg",
    ):
        (root / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(root / name)
    shutil.copytree(root / "photos", root / "parts")
    shutil.copytree(root / "NEW", root / "new_photos")
    return root


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Client]:
    with running(place / "runs" / "demo") as client:
        yield client


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return (language, content) of what a page lets people do, its test pictures named as in the small run."""
    text = page.read_text(encoding="utf-8")
    moved = {"000256": f"{NUM_IMAGES:06d}", "000257": f"{NUM_IMAGES + 1:06d}"}
    text = re.sub("|".join(moved), lambda name: moved[name.group()], text)
    found = []
    for language, content in re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        if language == "python":
            found.append((language, content))
        elif language in ("sh", "console"):
            lines = [line.removeprefix("$ ") for line in content.replace("\\\n", " ").splitlines()]
            found += [("sh", line) for line in lines if re.match(rf"tagseg ({'|'.join(QUICK)}) ", line)]
    missing = NOT_HERE if HAS_ONNX else (*NOT_HERE, "onnx")
    return [each for each in found if not any(word in each[1] for word in missing)]


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if page != GENERATED and blocks(page)], ids=page_id)
def test_the_blocks_of_a_page_work(
    page: Path, place: Path, server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(place, tmp_path / "place"))
    monkeypatch.setattr(tagseg, "run", small_run)
    monkeypatch.setattr(Image.Image, "show", lambda picture: None)  # the viewer of the system
    for language, content in blocks(page):
        if language == "sh":
            assert exit_code(*shlex.split(content, comments=True)[1:]) == 0, content
        else:
            exec(content.replace("http://127.0.0.1:8000", server.address), {"__name__": "__main__"})
