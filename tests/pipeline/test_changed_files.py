"""Files of a run, of its data and of another run that change between two starts, or while a run is at work."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.compare import differences, results_of
from faults.scene import Scene, draw_photos
from kit.heard import Heard
from kit.messages import assert_says

from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.layout import STAGE_OUTPUTS
from tagseg.errors import ArtifactError, DataError
from tagseg.pipeline import run_pipeline
from tagseg.recipe import load_recipe

STAGES = tuple(STAGE_OUTPUTS)


def run(scene: Scene, heard: Heard | None = None, *settings: str, **options: Any) -> dict[str, str]:
    """Run all stages, and return what became of each: `skip`, `start` or `resume`."""
    listener = heard or Heard()
    run_pipeline(load_recipe(scene.recipe, list(settings)), scene.run, progress=listener, **options)
    return {name: status for name, status, _ in listener.stages if status != "done"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A run that nothing happened to, and its results."""
    root = tmp_path_factory.mktemp("whole")
    draw_photos(root / "photos")
    scene = Scene(root / "scene")
    scene.set_up(root / "photos")
    run(scene)
    return root, results_of(scene)


@pytest.fixture
def scene(whole: tuple[Path, dict[str, str]]) -> Scene:
    """The same run at the same place, since results name it."""
    root, _ = whole
    kept, scene = root / "kept", Scene(root / "scene")
    if not kept.exists():
        shutil.copytree(scene.root, kept)
    shutil.rmtree(scene.root)
    shutil.copytree(kept, scene.root)
    return scene


def assert_equal(scene: Scene, whole: tuple[Path, dict[str, str]]) -> None:
    assert differences(whole[1], results_of(scene)) == []


def test_a_second_start_changes_nothing(scene, whole):
    assert run(scene) == dict.fromkeys(STAGES, "skip")
    assert_equal(scene, whole)


def another_content(path: Path) -> None:
    stored = read_cam(path)
    write_cam(path, 1 - stored.cam, stored.label_ids)


def another_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("pattern", "stage", "change"),
    [
        ("1_classifier/classifier.safetensors", "train_classifier", another_byte),
        ("2_cams/*.npz", "extract_cams", another_content),
        ("3_affinity/seeds/*.png", "train_affinity", another_byte),
        ("4_masks/labels/*.png", "make_masks", another_byte),
        ("5_segmenter/segmenter.json", "train_segmenter", another_byte),
        ("6_predictions/settings.json", "predict", another_byte),
    ],
)
def test_a_file_that_its_stage_did_not_write_is_named(scene, whole, pattern, stage, change: Callable[[Path], None]):
    path = sorted(scene.run.glob(pattern))[-1]
    change(path)
    assert_says(
        lambda: run(scene),
        ArtifactError,
        f"PATH must be the file that stage '{stage}' wrote, got another",
        "delete it and run the same command again; to keep files that you changed, delete SEALS",
        PATH=path,
        SEALS=scene.run / ".seals",
    )
    path.unlink()
    assert run(scene)[stage] == "start"
    assert_equal(scene, whole)


def test_files_that_a_person_changed_are_kept_when_asked_to(scene):
    path = sorted(scene.run.glob("4_masks/labels/*.png"))[0]
    shutil.copyfile(sorted(scene.run.glob("4_masks/labels/*.png"))[1], path)
    (scene.run / ".seals").unlink()
    changed, listener = path.read_bytes(), Heard()
    assert {name for name, status in run(scene, listener).items() if status != "skip"} == {"evaluate", "report"}
    assert ("evaluate", "start", "files of a stage before it changed") in listener.stages
    assert path.read_bytes() == changed
    assert run(scene) == dict.fromkeys(STAGES, "skip")


@pytest.mark.parametrize("name", ["scores.json", "scores.csv", "report.html"])
def test_scores_and_page_are_made_again(scene, whole, name):
    path = scene.run / name
    path.write_bytes(path.read_bytes().replace(b"0.", b"1."))
    told = run(scene)
    assert told["report" if name == "report.html" else "evaluate"] == "start"
    assert_equal(scene, whole)


@pytest.mark.parametrize(
    "name",
    [
        "1_classifier/classifier.safetensors",
        "3_affinity/affinity.safetensors",
        "3_affinity/seeds/000001.png",
        "5_segmenter/segmenter.safetensors",
        "scores.csv",
    ],
)
def test_a_file_that_is_gone_is_made_again(scene, whole, name):
    (scene.run / name).unlink()
    run(scene)
    assert_equal(scene, whole)


def test_files_that_no_manifest_knows_are_refused(scene, whole):
    (scene.run / "manifest.json").unlink()
    assert_says(
        lambda: run(scene),
        ArtifactError,
        "RUN/manifest.json must tell how the files of RUN/1_classifier were made, got no entry of 'train_classifier'",
        "choose another --out, or add --redo to make them again",
        RUN=scene.run,
    )
    assert set(run(scene, redo=True).values()) == {"start"}
    assert_equal(scene, whole)


class Meddler(Heard):
    """Does something when a stage begins."""

    def __init__(self, stage: str, meddle: Callable[[], object]) -> None:
        super().__init__()
        self._at, self._meddle = stage, meddle

    def stage(self, name: str, status: str, detail: str) -> None:
        if name == self._at and status == "start":
            self._meddle()
        super().stage(name, status, detail)


@pytest.mark.parametrize("kind", ["images", "masks"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_photograph_or_mask_that_changes_while_a_run_is_at_work(scene, whole, stage, kind):
    if kind == "masks" and stage in ("extract_cams", "train_affinity", "make_masks", "predict"):
        pytest.skip("reads no ground truth")
    folder = scene.photos / ("test" if stage == "predict" else "learn") / kind
    one, other = sorted(folder.iterdir())[:2]
    content = one.read_bytes()
    for name in list(STAGE_OUTPUTS.values())[STAGES.index(stage) :]:
        path = scene.run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataError) as caught:
        run(scene, Meddler(stage, lambda: shutil.copyfile(other, one)))
    assert caught.value.problem == f"{one} must stay as it is while a run is at work, got a file that changed"
    one.write_bytes(content)
    run(scene)
    assert_equal(scene, whole)


@pytest.mark.parametrize("stage", ["train_affinity", "make_masks", "train_segmenter", "evaluate"])
def test_a_file_of_a_stage_that_becomes_another_while_the_next_are_at_work(scene, whole, stage):
    path = sorted(scene.run.glob("2_cams/*.npz"))[-1]
    for name in list(STAGE_OUTPUTS.values())[STAGES.index(stage) :]:
        made = scene.run / name
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    with pytest.raises(ArtifactError) as caught:
        run(scene, Meddler(stage, lambda: another_content(path)))
    assert caught.value.problem == f"{path} must be the file that stage 'extract_cams' wrote, got another"
    assert not (scene.run / STAGE_OUTPUTS[stage]).exists()
    path.unlink()
    run(scene)
    assert_equal(scene, whole)


def test_changed_ground_truth_is_scored_anew_and_nothing_else_is_done(scene, whole):
    masks = sorted((scene.photos / "learn" / "masks").iterdir())
    content = masks[0].read_bytes()
    shutil.copyfile(masks[1], masks[0])
    started = {name for name, status in run(scene).items() if status != "skip"}
    assert started == {"evaluate", "report"}
    assert {line.split(" ")[0] for line in differences(whole[1], results_of(scene))} >= {"scores.json", "scores.csv"}
    masks[0].write_bytes(content)
    run(scene)
    assert_equal(scene, whole)
