"""`tagseg predict --format` with the formats of `tagseg export`: the same files, again, with changes, and refused."""

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from kit.command_line import exit_code
from kit.predict_samples import save_varied_segmenter, write_rough_photographs
from PIL import Image
from pycocotools.coco import COCO

from tagseg.artifacts.mask_file import read_mask
from tagseg.classes import ClassTable
from tagseg.use.label_files import LABEL_FORMATS, OF_PREDICTIONS, POLYGONS, FormatChoice
from tagseg.use.label_files import label_files as write_label_files

CLASSES = ClassTable(("cat", "dog"))
ANY_CLASSES = tuple(name for name in LABEL_FORMATS if name not in OF_PREDICTIONS)
SIZES = {"a.jpg": (40, 56), "deep/b.png": (33, 47)}


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_varied_segmenter(tmp_path_factory.mktemp("segmenter"), CLASSES)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_rough_photographs(tmp_path / "photos", SIZES)


def predict(*words: object) -> int:
    return exit_code("predict", *map(str, words))


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def drawn(path: Path) -> Iterator[tuple[str, np.ndarray, list[int]]]:
    """Yield file name, label map and `iscrowd` of each image of a COCO file, as pycocotools reads it."""
    coco = COCO(str(path))
    for image in coco.imgs.values():
        labels, crowds = np.zeros((image["height"], image["width"]), np.uint8), []
        for annotation in coco.imgToAnns[image["id"]]:
            labels[coco.annToMask(annotation) > 0] = annotation["category_id"]
            crowds.append(annotation["iscrowd"])
        yield image["file_name"], labels, crowds


def test_every_format_of_export_is_one_of_predict(segmenter, photos, tmp_path, capsys):
    out = tmp_path / "masks"
    assert predict(segmenter, photos, "--out", out, "--format", ",".join(ANY_CLASSES)) == 0
    said = capsys.readouterr().out
    for format in ANY_CLASSES:
        assert f"written: {out / format} (2 photographs" in said
        record = json.loads((out / format / "export.json").read_text())
        assert (record["format"], record["what"], record["images"]) == (format, "predictions", 2)
        assert record["simplify_px"] == (2.0 if format in POLYGONS else None)
    np.testing.assert_array_equal(
        np.array(Image.open(out / "ids" / "masks" / "deep" / "b.png")), read_mask(out / "deep" / "b.png")
    )


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools
def test_coco_holds_the_objects_of_the_masks(segmenter, photos, tmp_path):
    out = tmp_path / "masks"
    words = ("--format", "coco,coco-rle", "--min-area", 0, "--simplify", 0)
    assert predict(segmenter, photos, "--out", out, *words) == 0
    masks = {name: read_mask(out / Path(name).with_suffix(".png")) for name in SIZES}
    assert len({label for labels in masks.values() for label in np.unique(labels).tolist()}) > 1
    for format in ("coco", "coco-rle"):
        found = {name: (labels, crowds) for name, labels, crowds in drawn(out / format / "annotations.json")}
        assert set(found) == set(SIZES)
        for name, (labels, crowds) in found.items():
            np.testing.assert_array_equal(labels, masks[name], err_msg=format)
            assert set(crowds) <= {0}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools
def test_two_photographs_of_one_name_have_their_own_file_names(segmenter, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "a.png"):
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(folder / name)
    assert predict(segmenter, folder, "--out", tmp_path / "masks", "--format", "coco-rle") == 0
    content = json.loads((tmp_path / "masks" / "coco-rle" / "annotations.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["a.jpg", "a.png"]


def test_the_same_command_writes_the_same_files_and_takes_none_for_a_photograph(segmenter, photos, capsys):
    words = (segmenter, photos, "--out", photos / "found", "--format", "yolo,labelme")
    assert predict(*words) == 0
    before = files_below(photos / "found" / "yolo")
    capsys.readouterr()
    assert predict(*words) == 0
    assert "0 images labelled, 2 were there" in capsys.readouterr().out
    assert files_below(photos / "found" / "yolo") == before


def test_what_a_person_changed_stays_unless_redo_is_given(segmenter, photos, tmp_path, capsys):
    out = tmp_path / "masks"
    words = (segmenter, photos, "--out", out, "--format", "labelme")
    assert predict(*words) == 0
    corrected = out / "labelme" / "a.json"
    corrected.write_text("{}")
    later = (out / "labelme" / "export.json").stat().st_mtime + 10
    os.utime(corrected, (later, later))
    capsys.readouterr()
    assert predict(*words) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: folder {out / 'labelme'} is as tagseg predict left it, got a.json with changes of later",
        "help: choose another --out, or add --redo to write over them",
    ]
    assert corrected.read_text() == "{}"
    assert predict(*words, "--redo") == 0
    assert corrected.read_text() != "{}"
    (out / "labelme" / "mine.txt").touch()
    capsys.readouterr()
    assert predict(*words, "--redo") == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: folder {out / 'labelme'} holds what tagseg predict wrote and nothing else, got mine.txt besides",
        "help: choose another --out",
    ]


def test_a_folder_of_something_else_is_refused_before_any_photograph_is_labelled(segmenter, photos, tmp_path, capsys):
    out = tmp_path / "masks"
    (out / "coco").mkdir(parents=True)
    (out / "coco" / "mine.txt").touch()
    assert predict(segmenter, photos, "--out", out, "--format", "coco") == 2
    assert f"folder {out / 'coco'} holds what tagseg predict wrote and nothing else, got something else" in " ".join(
        capsys.readouterr().err.split()
    )
    shutil.rmtree(out)
    shutil.copytree(photos / "deep", photos / "coco")
    capsys.readouterr()
    assert predict(segmenter, photos, "--out", out, "--format", "coco") == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: folder {out / 'coco'} is for --format coco alone, got the mask of photograph {photos / 'coco/b.png'}",
        "help: name the folder below it as INPUT, or rename that folder",
    ]
    assert not list(out.rglob("*.png"))


@pytest.mark.parametrize(
    ("words", "problem", "help"),
    [
        (
            ["--format", "png,csv", "--min-area", "20"],
            f"--min-area goes with --format {', '.join(LABEL_FORMATS)}, got png, csv",
            "leave --min-area out, or add one of these formats",
        ),
        (
            ["--format", "voc", "--simplify", "2"],
            "--simplify goes with --format coco, yolo, label-studio-polygons, labelme, got voc",
            "leave --simplify out, or add one of these formats",
        ),
        (
            ["--format", "coco", "--images-at", "/x/"],
            "--images-at goes with --format label-studio, label-studio-polygons, got coco",
            "leave --images-at out, or add one of these formats",
        ),
        (["--format", "coco", "--simplify", "-1"], "--simplify lies in [0, 100] px, got -1", None),
        (["--format", "coco-rel"], "--format 'coco-rel' is unknown", "did you mean 'coco-rle'?"),
    ],
)
def test_options_that_no_format_has_are_refused(segmenter, photos, tmp_path, capsys, words, problem, help):
    assert predict(segmenter, photos, "--out", tmp_path / "masks", *words) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"error: {problem}"
    assert help is None or told[1] == f"help: {help}"


def test_an_option_holds_for_the_formats_that_have_it(segmenter, photos, tmp_path):
    out = tmp_path / "masks"
    assert predict(segmenter, photos, "--out", out, "--format", "coco,voc", "--simplify", 3, "--min-area", 9) == 0
    for format, tolerance_px in (("coco", 3), ("voc", None)):
        record = json.loads((out / format / "export.json").read_text())
        assert (record["min_area_px"], record["simplify_px"]) == (9, tolerance_px)


def test_cvat_warns_of_more_objects_than_it_tells_apart(tmp_path):
    labels = np.kron(np.indices((32, 32)).sum(axis=0) % 2, np.ones((2, 2), int)).astype(np.uint8)
    photograph = tmp_path / "many.png"
    Image.fromarray(labels).save(photograph)
    for format, min_area_px, warned in (("cvat", 0, True), ("cvat", 50, False), ("coco-rle", 0, False)):
        place = tmp_path / f"{format}{min_area_px}"
        place.mkdir()
        choice = FormatChoice(format, min_area_px)
        with write_label_files(place, choice, CLASSES, title="t", split="test") as (files, found):
            files.add("many", photograph, labels)
        said = found.said(choice, what="masks")
        assert any("CVAT tells" in line for line in said) == warned
        if warned:
            assert said[-1] == (
                "warning: CVAT tells 255 objects of a photograph apart, got more in 1 of 1 photographs, such as 512 in "
                "many: the smallest of a class are one object there; a larger --min-area leaves fewer"
            )


def test_predictions_are_packed_for_the_server_of_voc(segmenter, photos, tmp_path):
    shutil.rmtree(photos / "deep")
    out = tmp_path / "masks"
    assert predict(segmenter, photos, "--out", out, "--format", "png,voc-server") == 0
    with tarfile.open(out / "voc-server" / "results.tgz") as archive:
        (name,) = archive.getnames()
        packed = archive.extractfile(name)
        assert name == "results/VOC2012/Segmentation/comp6_test_cls/a.png" and packed is not None
        found = np.array(Image.open(packed))
    np.testing.assert_array_equal(found, np.array([0, 8, 12], np.uint8)[read_mask(out / "a.png")])
