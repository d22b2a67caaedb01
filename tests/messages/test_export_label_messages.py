"""The errors of `tagseg export --what`, word for word."""

from pathlib import Path

import pytest
from kit.command_line import exit_code
from kit.hand_made_runs import add_masks, make_run
from kit.messages import ROW, assert_says, row

from tagseg.artifacts.label_formats.cvat_archive import cvat_archive
from tagseg.artifacts.label_formats.labelled_image import About
from tagseg.classes import ClassTable
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import ArtifactError, RecipeError
from tagseg.progress import SilentProgress
from tagseg.use.export_labels import LabelChoice, export_labels
from tagseg.use.label_files import LABEL_FORMATS

ALL = ", ".join(sorted(LABEL_FORMATS))


@pytest.mark.parametrize(
    ROW,
    [
        row("what", ("mask", "voc"), "--what 'mask' is unknown", "did you mean 'masks'?"),
        row("format", ("masks", "onnx"), "--format 'onnx' is unknown", f"use one of: {ALL}"),
        row("near_format", ("masks", "cocoo"), "--format 'cocoo' is unknown", "did you mean 'coco'?"),
        row("area", ("masks", "coco", -1), "--min-area is 0 or more, got -1", "take 50, or 0 for every part"),
        row(
            "tolerance",
            ("masks", "coco", None, -0.5),
            "--simplify lies in [0, 100] px, got -0.5",
            "take 2, or 0 for all corners",
        ),
        row(
            "no_number",
            ("masks", "coco", None, float("nan")),
            "--simplify lies in [0, 100] px, got nan",
            "take 2, or 0 for all corners",
        ),
        row(
            "pixels",
            ("masks", "voc", None, 1.0),
            "--simplify goes with formats of polygons (coco, yolo, label-studio-polygons, labelme), got voc",
            "leave --simplify out: this format holds every pixel",
        ),
        row(
            "doubt",
            ("predictions", "voc", None, None, True),
            "--ignore-doubtful goes with --what masks, got predictions",
            "leave it out: predictions have no confidence mask",
        ),
        row(
            "masks_for_a_test_server",
            ("masks", "voc-server"),
            "--format voc-server goes with --what predictions, got masks",
            "VOC's test server scores a segmenter: export its predictions",
        ),
        row(
            "address",
            ("masks", "voc", None, None, False, "/x"),
            "--images-at goes with formats of Label Studio, got voc",
            "leave --images-at out",
        ),
    ],
)
def test_a_choice_that_cannot_be(call, problem, help) -> None:
    assert_says(lambda: LabelChoice(*call), RecipeError, problem, help)


@pytest.mark.parametrize(
    ("words", "problem", "help"),
    [
        (
            ["--simplify", "1"],
            "--simplify goes with --what, got the network",
            "add --what masks or --what predictions",
        ),
        (["--what", "masks", "--public"], "--public goes with the network, got --what", "leave one of the two out"),
        (["--what", "masks"], "--what goes with --format, got --what alone", "add --format coco, or see --help"),
        (
            ["--format", "coco"],
            "--format coco goes with --what, got the network",
            "add --what masks or --what predictions",
        ),
    ],
)
def test_options_that_do_not_go_together(words, problem, help, tmp_path: Path, capsys) -> None:
    assert exit_code("export", str(tmp_path), "--out", str(tmp_path / "o"), *words) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {problem}", f"help: {help}"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    write_dataset(root / "photos", num_images=2, size=(64, 64), seed=3)
    return make_run(root / "run", root / "photos")


@pytest.mark.parametrize(
    ("what", "help"),
    [
        ("masks", "let 'tagseg run' come to the end of its stage make_masks"),
        (
            "predictions",
            "let 'tagseg run' come to its end with images to test on, or label photographs with 'tagseg predict'",
        ),
    ],
)
def test_a_run_without_them(run: Path, tmp_path: Path, what: str, help: str) -> None:
    assert_says(
        lambda: export_labels(run, tmp_path / "o", choice=LabelChoice(what, "voc"), progress=SilentProgress()),
        ArtifactError,
        f"export of {what} takes a run that has them, got {run} without any",
        help,
    )


def test_a_folder_of_other_things(run: Path, tmp_path: Path) -> None:
    add_masks(run, run.parent / "photos", "mask", "confident")
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    choice = LabelChoice("masks", "voc")
    for name, found, help in (
        ("file", "something else", "choose another --out"),
        ("full", "one with other files in it", "choose another --out"),
    ):
        assert_says(
            lambda name=name: export_labels(run, tmp_path / name, choice=choice, progress=SilentProgress()),
            ArtifactError,
            f"--out {tmp_path / name} is a new or empty folder, got {found}",
            help,
        )
    export_labels(run, tmp_path / "o", choice=choice, progress=SilentProgress())
    assert_says(
        lambda: export_labels(run, tmp_path / "o", choice=choice, progress=SilentProgress()),
        ArtifactError,
        f"--out {tmp_path / 'o'} is a new or empty folder, got an earlier export",
        "choose another --out, or add --redo to replace it, with all that was changed in it",
    )


@pytest.mark.parametrize("name", ["a:b", "#a", "background", "void"])
def test_a_class_name_that_cvat_cannot_read(tmp_path: Path, name: str) -> None:
    def write() -> None:
        with cvat_archive(tmp_path, ClassTable(("cat", name)), About("photos", "tagseg", "train")):
            raise AssertionError("it was opened")

    assert_says(
        write,
        ArtifactError,
        "class names for CVAT have no colon or new line, no # in front, and are not 'background' or 'void', "
        f"got {name!r}",
        "rename the class in the data set, or choose another --format",
    )
