"""`tagseg predict`, `export` and `evaluate` as a user gives them: files out, resume, bad files, wrong words."""

import csv
import io
import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from kit.command_line import exit_code
from kit.predict_samples import save_varied_segmenter, write_rough_photographs
from kit.processes import kill_when_written
from PIL import Image
from PIL import Image as PillowImage

from tagseg.artifacts.mask_file import read_mask
from tagseg.artifacts.probability_file import read_probabilities
from tagseg.classes import ClassTable

CLASSES = ClassTable(("cat", "dog"))
TAGSEG = "from tagseg.cli.main import app_main; app_main()"
SIZES = {"a.jpg": (40, 56), "deep/b.png": (33, 47), "deep/c.jpg": (40, 56), "d.jpg": (64, 30)}


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_varied_segmenter(tmp_path_factory.mktemp("segmenter"), CLASSES)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_rough_photographs(tmp_path / "photos", SIZES)


def tagseg(*words: object) -> int:
    return exit_code(*map(str, words))


def files_below(folder: Path) -> dict[str, bytes]:
    kept = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}
    if "predictions.json" in found:  # but for when it was
        record = json.loads(found["predictions.json"])
        assert record.pop("since_ns") > 0
        found["predictions.json"] = json.dumps(record).encode()
    return found


def area_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "areas.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_file_of_a_photograph_comes_out(segmenter, photos, tmp_path, capsys):
    out = tmp_path / "masks"
    assert tagseg("predict", segmenter, photos, "--out", out, "--format", "png,overlay,probability,csv") == 0
    names = ("a", "d", "deep/b", "deep/c")
    expected = {f"{name}.png" for name in names} | {f"overlay/{name}.jpg" for name in names}
    expected |= {f"probability/{name}.npz" for name in names}
    assert set(files_below(out)) == expected | {"areas.csv", "predictions.json"}
    for name, (height, width) in SIZES.items():
        stem = Path(name).with_suffix("").as_posix()
        labels = read_mask(out / f"{stem}.png")
        assert labels.shape == (height, width)
        with Image.open(out / "overlay" / f"{stem}.jpg") as overlay:
            assert overlay.size == (width, height)
        stored = read_probabilities(out / "probability" / f"{stem}.npz")
        best = np.take_along_axis(stored.probabilities, labels[None].astype(int), axis=0)[0]
        assert (best >= stored.probabilities.max(axis=0) - 1 / 255).all()
    assert "4 images labelled, 0 were there, 0 skipped" in " ".join(capsys.readouterr().out.split())


def test_areas_tell_of_the_masks(segmenter, photos, tmp_path):
    out = tmp_path / "masks"
    assert tagseg("predict", segmenter, photos, "--out", out, "--format", "csv") == 0
    masks = {name: read_mask(out / Path(name).with_suffix(".png")) for name in SIZES}
    assert len({label for labels in masks.values() for label in np.unique(labels).tolist()}) > 1
    rows = area_rows(out)
    for name, labels in masks.items():
        found = {row["class"]: int(row["pixels"]) for row in rows if row["image"] == name}
        assert found == {CLASSES.name(label): int((labels == label).sum()) for label in np.unique(labels).tolist()}


def test_a_second_call_labels_nothing_again(segmenter, photos, tmp_path, capsys):
    out = tmp_path / "masks"
    tagseg("predict", segmenter, photos, "--out", out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert tagseg("predict", segmenter, photos, "--out", out) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == before
    assert "0 images labelled, 4 were there, 0 skipped" in " ".join(capsys.readouterr().out.split())


def test_a_photograph_that_changed_is_labelled_again(segmenter, photos, tmp_path, capsys):
    out = tmp_path / "masks"
    tagseg("predict", segmenter, photos, "--out", out)
    later = time.time() + 10
    os.utime(photos / "a.jpg", (later, later))
    tagseg("predict", segmenter, photos, "--out", out)
    assert "1 images labelled, 3 were there, 0 skipped" in " ".join(capsys.readouterr().out.split())


def test_other_settings_are_refused_word_for_word_and_done_with_redo(segmenter, photos, tmp_path, capsys):
    out = tmp_path / "masks"
    tagseg("predict", segmenter, photos, "--out", out)
    capsys.readouterr()
    assert tagseg("predict", segmenter, photos, "--out", out, "--scales", "0.5,1", "--flip") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"error: {out} holds labels of this segmenter and these settings, got those of others" in told
    assert "help: choose another --out, or add --redo to label all again" in told
    assert tagseg("predict", segmenter, photos, "--out", out, "--scales", "0.5,1", "--flip", "--redo") == 0
    assert "4 images labelled" in capsys.readouterr().out
    assert json.loads((out / "predictions.json").read_text())["settings"]["scales"] == [0.5, 1.0]


def test_redo_labels_the_named_photographs_again(segmenter, photos, tmp_path, capsys):
    out = tmp_path / "masks"
    tagseg("predict", segmenter, photos, "--out", out)
    capsys.readouterr()
    assert tagseg("predict", segmenter, photos / "a.jpg", "--out", out, "--redo") == 0
    assert "1 images labelled, 0 were there" in capsys.readouterr().out


def test_photographs_that_a_redo_did_not_name_are_labelled_with_its_settings_later(segmenter, photos, tmp_path, capsys):
    out = tmp_path / "masks"
    tagseg("predict", segmenter, photos, "--out", out)
    tagseg("predict", segmenter, photos / "a.jpg", "--out", out, "--flip", "--redo")
    capsys.readouterr()
    assert tagseg("predict", segmenter, photos, "--out", out, "--flip") == 0
    assert "3 images labelled, 1 were there" in capsys.readouterr().out
    tagseg("predict", segmenter, photos, "--out", tmp_path / "flipped", "--flip")
    assert files_below(out) == files_below(tmp_path / "flipped")


def test_a_file_that_is_no_mask_of_ours_is_not_taken_for_one(segmenter, photos, tmp_path, capsys):
    out = tmp_path / "masks"
    out.mkdir()
    (out / "a.png").write_bytes(b"somebody's own work")
    assert tagseg("predict", segmenter, photos, "--out", out) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert (
        f"error: {out / 'a.png'} must be a file that tagseg predict made, got one that predictions.json does not list "
        "help: choose another --out, or add --redo to write over it"
    ) in told
    assert (out / "a.png").read_bytes() == b"somebody's own work"
    assert tagseg("predict", segmenter, photos, "--out", out, "--redo") == 0
    assert "4 images labelled, 0 were there" in capsys.readouterr().out
    assert read_mask(out / "a.png").shape == SIZES["a.jpg"]


def write_photo(path: Path, seed: int, size: tuple[int, int] = (40, 56)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (size[0] // 8, size[1] // 8, 3), np.uint8)
    PillowImage.fromarray(coarse.repeat(8, 0).repeat(8, 1)).save(path)


@pytest.mark.parametrize("as_list", [True, False])
def test_relative_paths_of_one_name_lead_nowhere_else(segmenter, tmp_path, monkeypatch, as_list):
    monkeypatch.chdir(tmp_path)
    files = ["in/one/1.jpg", "in/two/1.jpg", "in/../in/three/1.jpg"]
    for seed, file in enumerate(files):
        write_photo(tmp_path / file, seed)
    before = files_below(tmp_path / "in")
    if as_list:
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join([*files, str(tmp_path / files[0])])))
    assert tagseg("predict", segmenter, *(["-"] if as_list else files), "--out", "out", "--format", "overlay") == 0
    assert files_below(tmp_path / "in") == before
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3
    assert len(list((tmp_path / "out" / "overlay").rglob("*.jpg"))) == 3


def test_another_photograph_of_the_same_name_gets_its_own_labels(segmenter, tmp_path):
    write_photo(tmp_path / "one" / "x.jpg", 1)
    write_photo(tmp_path / "two" / "x.jpg", 2, size=(64, 48))
    os.utime(tmp_path / "two" / "x.jpg", (1, 1))  # older than the mask of the other one
    out = tmp_path / "masks"
    for folder in ("one", "two"):
        assert tagseg("predict", segmenter, tmp_path / folder, "--out", out, "--format", "overlay,csv") == 0
    assert read_mask(out / "x.png").shape == (64, 48)
    assert sum(int(row["pixels"]) for row in area_rows(out)) == 64 * 48


def test_overlays_are_not_written_over_photographs(segmenter, tmp_path, capsys):
    write_photo(tmp_path / "a.jpg", 1)
    out = tmp_path / "out"
    write_photo(out / "overlay" / "a.jpg", 2)
    before = files_below(tmp_path)
    assert tagseg("predict", segmenter, tmp_path / "a.jpg", "--out", out, "--format", "overlay") == 2
    assert tagseg("predict", segmenter, tmp_path, "--out", out, "--format", "overlay") == 2
    assert "got one of them" in " ".join(capsys.readouterr().err.split())
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("where", ["made", "masks"])
def test_its_own_files_are_no_photographs(segmenter, tmp_path, capsys, where):
    write_photo(tmp_path / "a.jpg", 1)
    words = ("predict", segmenter, tmp_path, "--out", tmp_path / where, "--format", "overlay")
    assert tagseg(*words) == 0
    capsys.readouterr()
    assert tagseg(*words) == 0
    assert "0 images labelled, 1 were there" in capsys.readouterr().out


def test_files_of_others_that_end_in_part_stay(segmenter, tmp_path):
    write_photo(tmp_path / "a.jpg", 1)
    out = tmp_path / "out"
    out.mkdir()
    (out / ".thesis.part").write_text("mine")
    (out / ".a.png.0123abcd.part").write_text("half a mask")
    assert tagseg("predict", segmenter, tmp_path / "a.jpg", "--out", out) == 0
    assert (out / ".thesis.part").read_text() == "mine"
    assert not (out / ".a.png.0123abcd.part").exists()


def test_a_name_that_cannot_be_written_is_skipped_and_the_others_are_not(segmenter, tmp_path, capsys):
    write_photo(tmp_path / "in" / "a.jpg", 1)
    write_photo(tmp_path / "in" / f"{'n' * 251}.jpg", 2)  # with .png the name has 255 bytes
    write_photo(tmp_path / "in" / "a.png" / "in.jpg", 3)  # below what is to be the mask of a.jpg
    write_photo(tmp_path / "in" / "z.jpg", 4)
    loop = tmp_path / "in" / "loop.jpg"
    loop.symlink_to(loop)
    assert tagseg("predict", segmenter, tmp_path / "in", "--out", tmp_path / "out") == 1
    assert "3 images labelled, 0 were there, 2 skipped" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "out" / "z.png").exists()


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse names that are not text")
def test_a_bad_file_whose_name_is_no_text_is_listed(segmenter, tmp_path):
    (tmp_path / "in").mkdir()
    bad = os.fsencode(tmp_path / "in") + b"/x\xff.jpg"
    Path(os.fsdecode(bad)).write_bytes(b"")
    assert tagseg("predict", segmenter, tmp_path / "in", "--out", tmp_path / "out") == 1
    (listed,) = json.loads((tmp_path / "out" / "predictions.json").read_text())["bad_files"]
    assert os.fsencode(listed["path"]) == bad


def test_bad_files_are_skipped_and_named(segmenter, photos, tmp_path, capsys):
    (photos / "bad.jpg").write_bytes(b"no image")
    (photos / "cut.png").write_bytes((photos / "deep" / "b.png").read_bytes()[:300])
    out = tmp_path / "masks"
    assert tagseg("predict", segmenter, photos, photos / "gone.jpg", "--out", out, "--format", "csv") == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "4 images labelled, 0 were there, 3 skipped" in told
    for name in ("bad.jpg", "cut.png", "gone.jpg"):
        assert f"skipped {photos / name}: image" in told
    listed = json.loads((out / "predictions.json").read_text())["bad_files"]
    assert {Path(item["path"]).name for item in listed} == {"bad.jpg", "cut.png", "gone.jpg"}
    assert {row["image"] for row in area_rows(out)} == set(SIZES)


def test_a_list_on_standard_input_is_read(segmenter, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{photos / 'a.jpg'}\n{photos / 'deep' / 'b.png'}\n"))
    assert tagseg("predict", segmenter, "-", "--out", tmp_path / "masks") == 0
    assert {path.name for path in (tmp_path / "masks").glob("*.png")} == {"a.png", "b.png"}


def test_the_crf_changes_labels(segmenter, photos, tmp_path):
    tagseg("predict", segmenter, photos, "--out", tmp_path / "plain")
    tagseg("predict", segmenter, photos, "--out", tmp_path / "crf", "--crf")
    one, other = (read_mask(tmp_path / kind / "d.png") for kind in ("plain", "crf"))
    assert (one != other).any()


def test_no_mask_is_written_over_a_photograph(segmenter, photos, tmp_path, capsys):
    write_photo(tmp_path / "other" / "deep" / "b.jpg", 1)
    before = files_below(photos)
    assert tagseg("predict", segmenter, tmp_path / "other", photos / "deep" / "b.png", "--out", photos) == 2
    assert "is another file than the photographs, got one of them" in " ".join(capsys.readouterr().err.split())
    assert files_below(photos) == before


def test_kill_and_call_again_gives_what_one_call_gives(segmenter, photos, tmp_path):
    for number in range(30):
        shutil.copy(photos / "a.jpg", photos / f"more{number:02d}.jpg")
    words = ["predict", str(segmenter), str(photos), "--format", "overlay,coco,csv", "--out"]
    tagseg(*words, tmp_path / "whole")
    out = tmp_path / "killed"
    kill_when_written(f"{out}/*.png", 3, TAGSEG, *words, out)
    assert not (out / "areas.csv").exists()
    assert tagseg(*words, out) == 0
    assert files_below(out) == files_below(tmp_path / "whole")


@pytest.mark.parametrize(
    ("words", "problem", "help"),
    [
        (["--format", "pgn"], "--format 'pgn' is unknown", "did you mean 'png'?"),
        (
            ["--scales", "big"],
            "--scales takes numbers and --max-side a whole number or 'none', got 'big'",
            "write --scales 0.5,1,1.5 and --max-side 1024",
        ),
        (
            ["--scales", ""],
            "--scales takes numbers and --max-side a whole number or 'none', got ''",
            "write --scales 0.5,1,1.5 and --max-side 1024",
        ),
        (
            ["--scales", "1", "--max-side", "1.5"],
            "--scales takes numbers and --max-side a whole number or 'none', got '1.5'",
            "write --scales 0.5,1,1.5 and --max-side 1024",
        ),
    ],
)
def test_wrong_words_are_refused_word_for_word(segmenter, photos, tmp_path, capsys, words, problem, help):
    assert tagseg("predict", segmenter, photos, "--out", tmp_path / "masks", *words) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"error: {problem}" in told
    assert f"help: {help}" in told


def test_pictures_that_are_not_read_are_counted_and_masks_left_out(segmenter, photos, tmp_path, capsys):
    (photos / "draft.psd").write_bytes(b"")
    (photos / "masks").mkdir()
    shutil.copy(photos / "deep" / "b.png", photos / "masks" / "a.png")
    assert tagseg("predict", segmenter, photos, "--out", tmp_path / "masks") == 1
    told = capsys.readouterr().out.splitlines()
    assert (
        f"left out: {photos / 'masks'} holds the masks of a data set, name it itself to label what lies there" in told
    )
    assert told[-2].startswith(f"skipped {photos / 'draft.psd'}: image {photos / 'draft.psd'} must be one of JPEG, ")
    assert told[-1].startswith("4 images labelled, 0 were there, 1 skipped")
    assert [
        file["path"] for file in json.loads((tmp_path / "masks" / "predictions.json").read_text())["bad_files"]
    ] == [str(photos / "draft.psd")]


def test_a_format_may_be_given_again(segmenter, photos, tmp_path):
    words = ["--format", "csv", "--format", "overlay,csv"]
    assert tagseg("predict", segmenter, photos / "a.jpg", "--out", tmp_path / "masks", *words) == 0
    assert {"a.png", "overlay/a.jpg", "areas.csv"} < set(files_below(tmp_path / "masks"))


def test_public_goes_with_push(segmenter, tmp_path, capsys):
    assert tagseg("export", segmenter, "--out", tmp_path / "exported", "--public") == 2
    assert "error: --public goes with --push, got --public alone" in capsys.readouterr().err
    assert not (tmp_path / "exported").exists()


def test_predictions_are_scored_against_any_folder(segmenter, photos, tmp_path, capsys):
    tagseg("predict", segmenter, photos, "--out", tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "truth", ignore=shutil.ignore_patterns("*.json", ".lock"))
    capsys.readouterr()
    words = ["evaluate", "--predictions", tmp_path / "one", "--masks", tmp_path / "truth", "--classes", "cat,dog"]
    assert tagseg(*words, "--out", tmp_path / "scores.json") == 0
    assert "4 images: mIoU 100.0 %" in " ".join(capsys.readouterr().out.split())
    assert json.loads((tmp_path / "scores.json").read_text())["mean_iou"] == 1


def test_evaluate_wants_a_recipe_or_two_folders(tmp_path, capsys):
    for words in (["evaluate"], ["evaluate", "--predictions", tmp_path], ["evaluate", "x.toml", "--masks", tmp_path]):
        assert tagseg(*words) == 2
        told = " ".join(capsys.readouterr().err.split())
        assert "error: evaluate takes either RECIPE or both --predictions and --masks, got another combination" in told


def test_an_exported_folder_labels_as_its_source(segmenter, photos, tmp_path, capsys):
    assert tagseg("export", segmenter, "--format", "safetensors", "--out", tmp_path / "exported") == 0
    assert f"written: {tmp_path / 'exported' / 'segmenter.json'}" in capsys.readouterr().out.replace("\n", "")
    for source, out in ((segmenter, "one"), (tmp_path / "exported", "other")):
        tagseg("predict", source, photos, "--out", tmp_path / out)
    assert files_below(tmp_path / "one") == files_below(tmp_path / "other")
