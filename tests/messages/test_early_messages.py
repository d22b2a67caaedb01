"""What is wrong with words and folders is said before torch is imported, word for word."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kit.blocked import run_python
from kit.files import GREY, save
from kit.heard import Heard

from tagseg.errors import ArtifactError
from tagseg.system.lock import folder_lock, require_free
from tagseg.use.predict import PredictChoice, predict_files

COMMAND = "from tagseg.cli.main import app_main; app_main()"
LEARNING = ("torch", "torchvision", "timm", "lightning_fabric", "segmentation_models_pytorch", "tensorboard")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    save(tmp_path / "photos" / "day" / "a.png", GREY)
    save(tmp_path / "photos" / "b.png", GREY)
    return tmp_path / "photos"


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """A folder in which another process is at work: for the command, this one."""
    with folder_lock(tmp_path / "used" / ".lock"):
        yield tmp_path / "used"


def said_by(*words: object) -> tuple[int, str]:
    done = run_python(COMMAND, *map(str, words), without=LEARNING)
    return done.returncode, done.stderr


def test_an_unknown_format_of_predict(photos: Path, tmp_path: Path) -> None:
    assert said_by("predict", tmp_path / "run", photos, "--out", tmp_path / "out", "--format", "jpg") == (
        2,
        "error: --format 'jpg' is unknown\nhelp: did you mean 'png'?\n",
    )


def test_predict_into_a_folder_in_use(photos: Path, held: Path, tmp_path: Path) -> None:
    code, said = said_by("predict", tmp_path / "run", photos, "--out", held)
    assert code == 2
    assert said.startswith(f"error: run folder {held} takes one run at a time, got a second while process ")


@pytest.mark.parametrize("words", [(), ("--baseline",)])
def test_a_run_in_a_folder_in_use(held: Path, words: tuple[str, ...]) -> None:
    code, said = said_by("run", "demo", "--out", held, *words)
    assert code == 2
    assert said.startswith(f"error: run folder {held} takes one run at a time, got a second while process ")
    assert said.endswith("help: wait for it to end, stop it, or choose another --out\n")


@pytest.mark.parametrize("words", [("run", "--baseline"), ("run",), ("extract-cams",)])
def test_a_run_on_a_folder_that_is_not_there(tmp_path: Path, words: tuple[str, ...]) -> None:
    command, *options = words
    root = tmp_path / "no"
    assert said_by(command, "folder", "--set", f"data.root={root}", "--out", tmp_path / "run", *options) == (
        2,
        f"error: folder {root} must exist, got no such folder\nhelp: correct the path in the recipe's data\n",
    )
    assert not (tmp_path / "run").exists()


def test_a_run_without_a_file_of_tags_that_is_named(photos: Path, tmp_path: Path) -> None:
    tags = tmp_path / "no.csv"
    settings = ("--set", f"data.root={photos}", "--set", f"data.tags={tags}")
    assert said_by("run", "folder", *settings, "--out", tmp_path / "run") == (
        2,
        f"error: file of tags {tags} must exist, got no such file\nhelp: correct the path\n",
    )


def test_scores_to_a_file_of_another_ending_before_anything_is_scored(tmp_path: Path) -> None:
    out = tmp_path / "s.txt"
    assert said_by("evaluate", "--predictions", tmp_path / "no", "--masks", tmp_path / "no", "--out", out) == (
        2,
        f"error: scores {out} must be written to .json or .csv, got '.txt'\nhelp: rename it\n",
    )


@pytest.mark.parametrize(
    ("inputs", "out"),
    [
        (lambda photos: photos, lambda photos: photos),
        (lambda photos: photos, lambda photos: photos / "day"),
        (lambda photos: photos / "b.png", lambda photos: photos / "day" / ".."),
        (lambda photos: photos / "*.png", lambda photos: photos),
    ],
    ids=["the_named_folder", "a_folder_below_it", "the_folder_of_a_file", "the_folder_of_a_pattern"],
)
def test_masks_between_photographs(
    photos: Path, inputs: Callable[[Path], Path], out: Callable[[Path], Path], tmp_path: Path
) -> None:
    place = out(photos)
    with pytest.raises(ArtifactError) as caught:
        predict_files(tmp_path / "run", [str(inputs(photos))], place, choice=PredictChoice(), progress=Heard())
    beside = place.resolve().with_name(f"{place.resolve().name}_masks")
    assert str(caught.value) == (
        f"--out must be another folder than that of the photographs, got {place}: masks there would be taken for "
        f"photographs later; choose a folder of their own, such as --out {beside}"
    )
    assert not list(photos.rglob("*.json"))


@pytest.mark.parametrize("named", [".", "b.png"])
def test_masks_inside_the_folder_that_is_labelled(photos: Path, named: str, tmp_path: Path) -> None:
    heard, inside = Heard(), photos / "made"
    with pytest.raises(ArtifactError, match="must be a run folder"):
        predict_files(tmp_path / "run", [str(photos / named)], inside, choice=PredictChoice(), progress=heard)
    warned = (
        f"--out {inside} should lie outside {photos}, got a folder inside it: a later command that is given {photos} "
        "takes the masks for photographs"
    )
    assert heard.warnings == ([warned] if named == "." else [])


def test_a_look_at_a_lock_leaves_it_as_it_is(tmp_path: Path) -> None:
    lock = tmp_path / "run" / ".lock"
    require_free(lock)
    assert not lock.parent.exists()
    lock.parent.mkdir()
    lock.write_text("4711\n")  # of a process that was killed
    require_free(lock)
    assert lock.read_text() == "4711\n"
    with folder_lock(lock), pytest.raises(ArtifactError, match="takes one run at a time"):
        require_free(lock)
