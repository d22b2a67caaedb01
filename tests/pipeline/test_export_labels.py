"""`tagseg export --what` as a user gives it: every format, what it costs, what is refused, and again after a kill."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from kit.command_line import exit_code
from kit.hand_made_runs import NUM_IMAGES, SIDE, add_masks, make_run
from kit.processes import kill_when_written
from PIL import Image

from tagseg.artifacts.instance_file import Instance, write_instances
from tagseg.artifacts.mask_file import read_mask, write_mask
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.use.label_files import LABEL_FORMATS, OF_PREDICTIONS, POLYGONS

TAGSEG = "from tagseg.cli.main import app_main; app_main()"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "photos"
    write_dataset(root, num_images=NUM_IMAGES, size=(SIDE, SIDE), seed=3)
    return root


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_masks(make_run(tmp_path_factory.mktemp("export") / "run", photos), photos, "mask", "confident")


def tagseg(*words: object) -> int:
    return exit_code(*map(str, words))


def masks_of(run: Path) -> dict[str, np.ndarray]:
    folder = run / "4_masks" / "labels"
    return {path.relative_to(folder).with_suffix("").as_posix(): read_mask(path) for path in folder.rglob("*.png")}


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("format", sorted(LABEL_FORMATS.keys() - OF_PREDICTIONS))
def test_every_format_comes_out_and_says_what_it_cost(run: Path, tmp_path: Path, capsys, format: str) -> None:
    out = tmp_path / "out"
    assert tagseg("export", run, "--what", "masks", "--format", format, "--out", out) == 0
    said = capsys.readouterr().out
    assert f"written: {out} ({NUM_IMAGES} photographs" in said
    record = json.loads((out / "export.json").read_text())
    assert record["images"] == NUM_IMAGES
    assert record["files"] == sorted(set(files_below(out)) - {"export.json"})
    assert record["min_area_px"] == (50 if format in POLYGONS or format in ("label-studio", "cvat") else 0)
    assert record["simplify_px"] == (2.0 if format in POLYGONS else None)
    if not record["min_area_px"]:
        assert "agreement with the masks of the run: no pixel was changed" in said
        assert record["mean_iou"] is None
    else:
        assert ("within 2 px of the masks" in said) == (format in POLYGONS)
        assert "parts below 50 px joined what is around them" in said
        assert f"agreement with the masks of the run: {100 * record['mean_iou']:.2f} % mean IoU" in said
        assert 0.9 < record["mean_iou"] < 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_objects_are_those_of_the_run_where_it_tells_them_apart(run: Path, tmp_path: Path) -> None:
    own = tmp_path / "run"
    shutil.copytree(run, own)
    name, labels = next((name, labels) for name, labels in masks_of(own).items() if labels.any())
    label = int(labels.max())
    halves = [np.zeros_like(labels, bool) for _ in range(2)]
    middle = int(np.median(np.nonzero(labels == label)[1]))
    halves[0][:, :middle], halves[1][:, middle:] = True, True
    objects = [Instance(label, half & (labels == label), 1.0) for half in halves]
    write_instances(own / "4_masks" / "instances" / f"{name}.json", objects)
    counts = {}
    for folder in (run, own):
        out = tmp_path / f"out-{folder.parent.name}"
        assert tagseg("export", folder, "--what", "masks", "--format", "coco-rle", "--out", out) == 0
        content = json.loads((out / "annotations.json").read_text())
        (image,) = (each["id"] for each in content["images"] if Path(each["file_name"]).stem == name)
        counts[folder] = sum(each["image_id"] == image for each in content["annotations"])
    assert counts[own] > counts[run]
    assert tagseg("export", own, "--what", "masks", "--format", "voc", "--out", tmp_path / "voc") == 0
    np.testing.assert_array_equal(read_mask(tmp_path / "voc" / "SegmentationClass" / f"{name}.png"), labels)


@pytest.mark.parametrize("format", POLYGONS)
def test_polygons_without_tolerance_and_least_area_hold_every_pixel(run: Path, tmp_path: Path, format: str) -> None:
    words = ("--format", format, "--out", tmp_path / "out", "--min-area", 0, "--simplify", 0)
    assert tagseg("export", run, "--what", "masks", *words) == 0
    assert json.loads((tmp_path / "out" / "export.json").read_text())["mean_iou"] == 1


def test_doubtful_pixels_become_void(run: Path, tmp_path: Path) -> None:
    assert (
        tagseg("export", run, "--what", "masks", "--format", "ids", "--ignore-doubtful", "--out", tmp_path / "o") == 0
    )
    for name, labels in masks_of(run).items():
        found = np.array(Image.open(tmp_path / "o" / "masks" / f"{name}.png"))
        assert (found[:, : SIDE // 2] == 255).all()  # the run trusts the right half
        np.testing.assert_array_equal(found[:, SIDE // 2 :], labels[:, SIDE // 2 :])


def test_scores_are_the_trusted_share_of_each_object(run: Path, tmp_path: Path) -> None:
    assert tagseg("export", run, "--what", "masks", "--format", "coco-rle-plain", "--out", tmp_path / "o") == 0
    content = json.loads((tmp_path / "o" / "annotations.json").read_text())
    for annotation in content["annotations"]:
        x, _, width, _ = annotation["bbox"]
        if x >= SIDE // 2 or x + width <= SIDE // 2:
            assert annotation["score"] == float(x >= SIDE // 2)
        else:
            assert 0 < annotation["score"] < 1


def test_predictions_have_no_scores(run: Path, photos: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    split = read_folder(photos, masks=photos / "masks")
    for record in split.records:
        labels = np.zeros((SIDE, SIDE), np.uint8)
        labels[10:30, 10:30] = 1
        write_mask(copy / "6_predictions" / "labels" / f"{record.image_id}.png", labels, split.classes)
    out = tmp_path / "o"
    assert tagseg("export", copy, "--what", "predictions", "--format", "label-studio-polygons", "--out", out) == 0
    tasks = json.loads((out / "tasks.json").read_text())
    assert len(tasks) == NUM_IMAGES
    for task in tasks:
        (prediction,) = task["predictions"]
        assert "score" not in prediction
        assert len(prediction["result"]) == 1
        assert task["data"]["image"].startswith("/data/local-files/?d=")


def test_an_earlier_export_stays_unless_redo_is_given(run: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    words = ("export", run, "--what", "masks", "--out", out)
    assert tagseg(*words, "--format", "voc") == 0
    before = files_below(out)
    assert tagseg(*words, "--format", "ids") == 2
    assert files_below(out) == before
    assert tagseg(*words, "--format", "ids", "--redo") == 0
    assert not (out / "SegmentationClass").exists()
    (out / "mine.txt").write_text("notes")
    capsys.readouterr()
    assert tagseg(*words, "--format", "voc", "--redo") == 2
    assert f"error: --out {out} holds an earlier export and nothing else, got mine.txt besides" in " ".join(
        capsys.readouterr().err.split()
    )
    assert (out / "mine.txt").read_text() == "notes"


def test_a_run_that_is_only_read(run: Path, tmp_path: Path) -> None:
    before = files_below(run)
    assert tagseg("export", run, "--what", "masks", "--format", "yolo", "--out", tmp_path / "o") == 0
    assert files_below(run) == before


def test_killed_in_the_middle_nothing_is_there_and_the_same_command_makes_it(run: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    words = ["export", str(run), "--what", "masks", "--format", "voc"]
    kill_when_written(f"{tmp_path}/.out.part/*.png", 2, TAGSEG, *words, "--out", out)
    assert not out.exists()
    assert (tmp_path / ".out.part").is_dir()
    assert tagseg(*words, "--out", out) == 0
    assert tagseg(*words, "--out", whole) == 0
    assert files_below(out) == files_below(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]
