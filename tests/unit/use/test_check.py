import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagseg.cli import main, tables
from tagseg.data.problems import ProblemKind
from tagseg.errors import DataError
from tagseg.progress import SilentProgress
from tagseg.recipe import make_recipe
from tagseg.training import loggers
from tagseg.use.check import check_data


def write_folder(root: Path, *, broken: int) -> None:
    """Write two readable images of 64 x 64, ``broken`` empty files, and the tags of all."""
    root.mkdir()
    names = [f"good {index}.png" for index in range(2)] + [f"empty{index}.png" for index in range(broken)]
    for index in range(2):
        pixels = np.full((64, 64, 3), 100 * index, np.uint8)
        Image.fromarray(pixels).save(root / f"good {index}.png")
    for index in range(broken):
        (root / f"empty{index}.png").touch()
    rows = [f"{name},{'cat' if index % 2 else 'dog'}" for index, name in enumerate(names)]
    (root / "tags.csv").write_text("\n".join(["image,tags", *rows]) + "\n")


def folder_recipe(path: Path, root: Path) -> Path:
    path.write_text(f'name = "mine"\n[data]\nformat = "folder"\nroot = "{root.as_posix()}"\n')
    return path


def exit_code(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main.app_main(words)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_data_of_one_class_is_warned_of_where_it_is_learned_from(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_folder(tmp_path / name, broken=0)
    (tmp_path / "a" / "tags.csv").write_text("image,tags\ngood 0,cat\ngood 1,cat\n")
    values = {"format": "folder", "root": str(tmp_path / "a"), "test_root": str(tmp_path / "b")}
    learned, tested = check_data(make_recipe({"name": "mine", "data": values}).data, progress=SilentProgress())
    assert list(learned.by_kind()) == [ProblemKind.NEVER_ABSENT] and learned.is_clean
    assert ProblemKind.NEVER_ABSENT not in tested.by_kind()


def test_every_broken_image_is_found_in_one_pass(tmp_path: Path) -> None:
    write_folder(tmp_path / "photos", broken=3)
    data = make_recipe({"name": "mine", "data": {"format": "folder", "root": str(tmp_path / "photos")}}).data
    (report,) = check_data(data, progress=SilentProgress())
    found = report.by_kind()
    assert [problem.path.name for problem in found[ProblemKind.UNREADABLE_IMAGE] if problem.path] == [
        "empty0.png",
        "empty1.png",
        "empty2.png",
    ]
    assert not report.is_clean


def test_both_splits_of_a_recipe_are_checked_and_the_same_one_once(tmp_path: Path) -> None:
    root = tmp_path / "voc"
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "JPEGImages").mkdir()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(root / "JPEGImages" / "a.jpg")
    for split in ("train", "val"):
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("a\n")
    (root / "tags.csv").write_text("image,tags\na,cat\n")
    values = {"format": "voc", "root": str(root), "tags": str(root / "tags.csv"), "classes": ["cat"]}
    for eval_split, names in (("val", ["train", "val"]), ("train", ["train"]), (None, ["train"])):
        data = make_recipe({"name": "m", "data": {**values, "train_split": "train", "eval_split": eval_split}}).data
        assert [report.split_name for report in check_data(data, progress=SilentProgress())] == names


def test_the_embedded_data_set_is_clean_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    values = {"format": "synthetic", "num_images": 24, "image_size_px": 64}
    (report,) = check_data(make_recipe({"name": "m", "data": values}).data, progress=SilentProgress())
    assert report.is_clean and report.num_images == 24
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    data = make_recipe({"name": "m", "data": {"format": "folder", "root": str(tmp_path / "none")}}).data
    with pytest.raises(DataError, match="none"):
        check_data(data, progress=SilentProgress())


def test_the_command_names_the_first_problems_and_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(tmp_path / "photos", broken=3)
    recipe = folder_recipe(tmp_path / "mine.toml", tmp_path / "photos")
    assert exit_code("check", str(recipe), "--show", "2") == 1
    output = capsys.readouterr().out
    lines = output.splitlines()
    start = lines.index("error: unreadable image: 3")
    assert "empty0.png" in lines[start + 1] and "empty1.png" in lines[start + 2]
    assert lines[start + 3] == "  and 1 more"
    assert lines[start + 4].startswith("  help: ")
    assert lines[-1].startswith("split 'all': 3 errors, ") and lines[-1].endswith("correct the errors before a run")


def test_the_command_exits_with_0_when_all_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tmp_path / "photos", broken=0)
    assert exit_code("check", str(folder_recipe(tmp_path / "mine.toml", tmp_path / "photos"))) == 0
    recipe = shlex.quote(str(tmp_path / "mine.toml"))
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "split 'all': 0 errors, 0 warnings, in order",
        f"next: tagseg run {recipe}",
    ]


def test_the_next_command_has_the_same_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tmp_path / "photos", broken=0)
    recipe = str(folder_recipe(tmp_path / "mine.toml", tmp_path / "photos"))
    assert exit_code("check", recipe, "--set", "training.epochs=5", "--set", "cams.scales=[1.0, 2.0]") == 0
    options = "--set training.epochs=5 --set 'cams.scales=[1.0, 2.0]'"
    assert capsys.readouterr().out.splitlines()[-1] == f"next: tagseg run {shlex.quote(recipe)} {options}"


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("segmenter.corrections=nowhere", "folder nowhere of corrections must exist, got no such folder"),
        ("engine.loggers=['mlflow']", "engine.loggers has 'mlflow', which needs the package mlflow, got none"),
    ],
)
def test_what_else_a_run_needs_is_looked_for(
    setting: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    write_folder(tmp_path / "photos", broken=0)
    recipe = str(folder_recipe(tmp_path / "mine.toml", tmp_path / "photos"))
    assert exit_code("check", recipe, "--set", setting) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {problem}")
    assert "next:" not in said.out


def test_a_run_is_not_ready_without_its_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tmp_path / "photos", broken=0)
    recipe = str(folder_recipe(tmp_path / "mine.toml", tmp_path / "photos"))
    assert exit_code("check", recipe, "--weights", str(tmp_path / "no.safetensors")) == 2
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "split 'all': 0 errors, 0 warnings, in order"
    assert said.err.startswith("error: classifier.weights must name a weights file that exists, got ")


def test_without_problems_to_show_counts_and_help_remain(tmp_path: Path) -> None:
    write_folder(tmp_path / "photos", broken=1)
    data = make_recipe({"name": "mine", "data": {"format": "folder", "root": str(tmp_path / "photos")}}).data
    (report,) = check_data(data, progress=SilentProgress())
    lines = tables.problem_lines(report, show=0)
    assert lines[0] == "error: unreadable image: 1"
    assert lines[1].startswith("  help: ")


def test_images_to_test_on_need_no_tags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("photos", "test"):
        write_folder(tmp_path / name, broken=0)
    (tmp_path / "test" / "masks").mkdir()
    for index in range(2):
        Image.fromarray(np.full((64, 64), 1, np.uint8)).save(tmp_path / "test" / "masks" / f"good {index}.png")
    recipe = folder_recipe(tmp_path / "mine.toml", tmp_path / "photos")
    recipe.write_text(recipe.read_text() + f'test_root = "{(tmp_path / "test").as_posix()}"\n')
    assert exit_code("check", str(recipe)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Split 'test', 2 images, of which no tags are read" in lines
    assert lines[-2] == "split 'test': 0 errors, 0 warnings, in order"
