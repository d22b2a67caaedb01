import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kit.heard import Heard
from PIL import Image

from tagseg.artifacts.onnx_file import OnnxCheck
from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.segmenter_file import load_segmenter, save_segmenter
from tagseg.artifacts.settings_file import write_prediction_settings
from tagseg.assemble.prediction import prediction_settings
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.prediction.segmenter import MAX_SIDE_PX, PredictionSettings
from tagseg.progress import SilentProgress
from tagseg.recipe import make_recipe, to_toml
from tagseg.training.accelerator import choose_accelerator
from tagseg.use.export import export_segmenter
from tagseg.use.load import find_segmenter, load

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def save(folder: Path, **prediction: Any) -> Path:
    torch.manual_seed(0)
    network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)
    save_segmenter(folder, network, ClassTable(("cat", "dog")), prediction=prediction, notes={"recipe": "tiny"})
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    folder.update_manifest(seed=0)
    save(folder.output("train_segmenter"), scales=[0.5, 1.0], max_side_px=None)
    return folder


def test_a_run_its_stage_and_each_of_the_two_files_are_one_segmenter(run: RunFolder) -> None:
    stage = run.output("train_segmenter")
    sources = [run.root, stage, stage / "segmenter.json", stage / "segmenter.safetensors"]
    assert {find_segmenter(source) for source in sources} == {stage}
    assert {find_segmenter(str(source)) for source in sources} == {stage}


def test_what_is_loaded_predicts_with_the_settings_it_was_saved_with(run: RunFolder) -> None:
    segmenter = load(run.root, device="cpu")
    assert (segmenter.settings.scales, segmenter.settings.max_side_px) == ((0.5, 1.0), None)
    assert segmenter.device == torch.device("cpu")
    prediction = segmenter.predict(IMAGE)
    assert prediction.labels.shape == (40, 50)
    assert prediction.names == ("background", "cat", "dog")


def test_a_home_folder_is_understood(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(run.root.parent))
    assert find_segmenter(f"~/{run.root.name}") == run.output("train_segmenter")


def never(repo_id: str, *, revision: str | None) -> Path:
    """Take the place of the hub where it must not be asked."""
    pytest.fail(f"asked for {repo_id}")


def test_a_local_folder_wins_over_a_name_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "owner" / "name")
    monkeypatch.chdir(tmp_path)
    assert find_segmenter("owner/name", fetch=never) == Path("owner/name")


def test_a_name_that_is_no_path_goes_to_the_hub_with_its_revision() -> None:
    asked = []

    def fetch(repo_id: str, *, revision: str | None) -> Path:
        asked.append((repo_id, revision))
        return Path("fetched")

    assert find_segmenter("owner/name_1.x", revision="v1", fetch=fetch) == Path("fetched")
    assert asked == [("owner/name_1.x", "v1")]


@pytest.mark.parametrize(
    "source", ["a/b/c", "./owner/name", "/owner/name", "name", "../name", "owner/name/", Path("a/b")]
)
def test_what_looks_like_a_path_never_reaches_the_hub(source: str | Path) -> None:
    with pytest.raises(ArtifactError, match="got no such path"):
        find_segmenter(source, fetch=never)


def test_auto_takes_the_device_that_training_would_take(run: RunFolder) -> None:
    assert load(run.root).device.type == choose_accelerator("auto")[0]


def test_safetensors_are_exported_to_a_folder_that_loads(run: RunFolder, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    exported = export_segmenter(run.root, out, format="safetensors", check_images=[], progress=SilentProgress())
    assert exported.files == (out / "segmenter.safetensors", out / "segmenter.json")
    assert exported.check is None
    assert load_segmenter(out).notes == {"recipe": "tiny"}
    assert (out / "segmenter.safetensors").read_bytes() == (run.segmenter / "segmenter.safetensors").read_bytes()
    before, after = (json.loads((folder / "segmenter.json").read_text()) for folder in (run.segmenter, out))
    assert after.pop("prediction") == {
        **json.loads(json.dumps(asdict(PredictionSettings(max_side_px=MAX_SIDE_PX)))),
        **before.pop("prediction"),
    }
    assert after == before


def test_a_run_is_used_as_it_was_last_tested_and_an_export_keeps_that(tmp_path: Path) -> None:
    run, out = RunFolder(tmp_path / "run"), tmp_path / "out"
    save(run.segmenter)
    # Nothing says otherwise.
    assert load(run.root, device="cpu").settings == PredictionSettings(max_side_px=MAX_SIDE_PX)
    recipe = make_recipe({"name": "tiny", "data": {"format": "synthetic"}}, ["prediction.flip=true"])
    run.recipe_path.write_text(to_toml(recipe))
    assert load(run.root, device="cpu").settings == prediction_settings(recipe)  # before stage 6: as the recipe says
    write_prediction_settings(run.prediction_settings, {"scales": [0.5, 1.0], "max_side_px": 100})
    tested = PredictionSettings(scales=(0.5, 1.0), max_side_px=100)
    export_segmenter(run.root, out, format="safetensors", check_images=[], progress=SilentProgress())
    for source in (run.root, run.segmenter, run.segmenter / "segmenter.json", out):
        assert load(source, device="cpu").settings == tested


def test_the_settings_of_a_run_of_version_0_1_are_in_its_description(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    save(run.segmenter, scales=[0.25], max_side_px=None)
    run.recipe_path.write_text(to_toml(make_recipe({"name": "tiny", "data": {"format": "synthetic"}})))
    assert load(run.root, device="cpu").settings == PredictionSettings(scales=(0.25,), max_side_px=None)


class FakeExport:
    """Takes the place of the tracing, which has tests of its own, and keeps what it is asked for."""

    def __init__(self) -> None:
        self.shapes = list[tuple[int, ...]]()
        self.notes: dict[str, Any] = {}

    def __call__(
        self, path: Path, network: object, classes: object, *, check_images: list[np.ndarray], notes: dict[str, Any]
    ) -> OnnxCheck:
        self.shapes, self.notes = [image.shape for image in check_images], notes
        return OnnxCheck(max_difference=1.5e-6, equal_labels=0.99995, images=len(check_images))


def test_onnx_is_checked_on_photographs_of_a_bounded_size(run: RunFolder, tmp_path: Path) -> None:
    photos = [tmp_path / "a.png", tmp_path / "b.png"]
    Image.new("L", (50, 40)).save(photos[0])
    Image.new("RGB", (30, 1100)).save(photos[1])
    heard, fake = Heard(), FakeExport()
    out = tmp_path / "out"
    exported = export_segmenter(run.root, out, format="onnx", check_images=photos, progress=heard, write_onnx=fake)
    assert exported.files == (out / "segmenter.onnx",)
    assert exported.check is not None
    assert exported.check.images == 2
    assert fake.shapes == [(40, 50, 3), (1024, 30, 3)]
    assert fake.notes == {"recipe": "tiny"}
    assert heard.warnings == []
    assert heard.notes == ["the ONNX file agrees with torch on 99.995 % of the labels of 2 images, logits within 2e-06"]


def test_without_photographs_noise_is_compared_and_the_user_told(run: RunFolder, tmp_path: Path) -> None:
    heard, fake = Heard(), FakeExport()
    out = tmp_path / "named.onnx"
    exported = export_segmenter(run.root, out, format="onnx", check_images=[], progress=heard, write_onnx=fake)
    assert exported.files == (out,)
    assert fake.shapes == [(96, 128, 3), (75, 50, 3), (33, 101, 3)]
    assert heard.warnings == ["the ONNX file is compared with torch on noise, since no images are given"]
