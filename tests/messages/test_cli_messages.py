"""What the command line says when something goes wrong, word for word."""

import errno
import re
import shutil
from pathlib import Path

import pytest
from kit.command_line import exit_code, failing_commands
from kit.small_run import small_recipe

from tagseg.artifacts.run_folder import RunFolder
from tagseg.cli.main import app_main
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import DataError
from tagseg.recipe import to_toml

RECIPE = 'name = "tiny"\n[data]\nformat = "folder"\nroot = "photos"\n'
LONG_PATH = "/".join(["a folder with a long name"] * 12)


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(
            DataError("image photos/[a] cat.jpg is a picture, got 0 bytes", help="replace or delete it"),
            "error: image photos/[a] cat.jpg is a picture, got 0 bytes\nhelp: replace or delete it\n",
            id="an_error_of_ours_is_two_lines",
        ),
        pytest.param(
            DataError(f"{LONG_PATH} is a file, got none", help="check the path"),
            f"error: {LONG_PATH} is a file, got none\nhelp: check the path\n",
            id="a_long_message_stays_on_its_line",
        ),
        pytest.param(
            DataError("image \udcffcat.jpg is a picture, got 0 bytes", help="replace it"),
            "error: image \\udcffcat.jpg is a picture, got 0 bytes\nhelp: replace it\n",
            id="bytes_that_are_no_text_are_shown_as_escapes",
        ),
        pytest.param(
            OSError(errno.ENOSPC, "No space left on device", "runs/tiny/1_classifier/curves.csv"),
            "error: the disk has no room left for runs/tiny/1_classifier/curves.csv\n"
            "help: free some space, then run the same command again: what is finished stays\n",
            id="a_full_disk",
        ),
        pytest.param(
            OSError(errno.EMFILE, "Too many open files", "photos/a.jpg"),
            "error: a process must be allowed to have as many files open as it needs, got too few\n"
            "help: raise the limit, such as by 'ulimit -n 1024', then run the same command again: "
            "what is finished stays\n",
            id="too_few_file_descriptors",
        ),
        *(
            pytest.param(
                error,
                "error: the work must fit into the memory that there is, got more\n"
                "help: lower batch_size or crop_size_px of this stage, or engine.workers, or end other programs, "
                "then run the same command again: what is finished stays\n",
                id=name,
            )
            for name, error in {
                "no_memory": MemoryError(),
                "no_memory_for_a_fork": OSError(errno.ENOMEM, "Cannot allocate memory"),
                "no_memory_of_torch": RuntimeError(
                    "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"
                ),
                "no_memory_of_a_gpu": RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
            }.items()
        ),
        pytest.param(
            DataError("tag '\x1b[31m\n' of a.jpg is a class, got none", help="correct \x07it"),
            "error: tag '\\x1b[31m\\n' of a.jpg is a class, got none\nhelp: correct \\x07it\n",
            id="control_characters_are_shown_as_escapes",
        ),
        pytest.param(
            DataError("tags.csv " + "x" * 3000, help="correct it"),
            "error: tags.csv " + "x" * 657 + " [...] " + "x" * 250 + "\nhelp: correct it\n",
            id="a_sentence_that_nobody_reads_to_its_end",
        ),
        pytest.param(
            OSError(errno.ENAMETOOLONG, "File name too long", "runs/long"),
            "error: a name of a file or folder has at most 255 bytes, got runs/long\nhelp: choose a shorter one\n",
            id="a_long_name",
        ),
    ],
)
def test_an_error_goes_to_standard_error(error: Exception, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code("run", "tiny.toml", commands=failing_commands(error)) == 2
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", said)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_with_debug_anywhere_the_error_itself_gets_out(position: int) -> None:
    words = ["run", "tiny.toml"]
    words.insert(position, "--debug")
    with pytest.raises(DataError, match="a is b, got c; do d"):
        app_main(words, commands=failing_commands(DataError("a is b, got c", help="do d")))


def test_an_unexpected_error_is_not_swallowed() -> None:
    with pytest.raises(OSError, match="Input/output error"):
        app_main(["run", "tiny.toml"], commands=failing_commands(OSError(errno.EIO, "Input/output error")))


def test_a_run_that_is_stopped_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("run", "tiny.toml", commands=failing_commands(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err.strip() == "stopped; run the same command again to continue"


def test_a_recipe_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.toml"
    assert exit_code("run", str(path)) == 2
    assert capsys.readouterr().err == f"error: recipe {path} must exist, got no such file\nhelp: check the path\n"


def test_an_option_that_does_not_exist(recipe_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("run", str(recipe_path), "--ou", "x") == 2
    problem, help_line = capsys.readouterr().err.splitlines()
    assert problem.startswith("error: No such option: --ou")
    assert help_line == "help: 'tagseg --help' and 'tagseg COMMAND --help' list what there is"


def test_a_command_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("fly") == 2
    assert capsys.readouterr().err.startswith("error: No such command 'fly'")


@pytest.fixture(scope="module")
def photos_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recipe of two photographs that can really be read, and of a training of one step."""
    root = tmp_path_factory.mktemp("recipe")
    write_dataset(root / "photos", num_images=2, size=(32, 32), seed=0)
    quick = ["training.epochs=1", "training.batch_size=2", "self_modulation.enabled=false"]
    (root / "small.toml").write_text(to_toml(small_recipe(root / "photos", root / "cache", *quick)))
    return root / "small.toml"


@pytest.fixture(scope="module")
def with_maps(photos_recipe: Path) -> Path:
    """Return the folder of a run that has its maps and nothing after them."""
    folder = photos_recipe.parent / "run"
    for command in ("train-classifier", "extract-cams"):
        assert exit_code(command, str(photos_recipe), "--out", str(folder)) == 0
    return folder


def finished_stages(folder: Path) -> list[str]:
    return list(RunFolder(folder).read_manifest()["stages"])


@pytest.mark.parametrize("command", ["extract-cams", "train-affinity", "make-masks", "evaluate"])
def test_a_stage_before_those_that_it_follows(
    photos_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert exit_code(command, str(photos_recipe), "--out", str(tmp_path / "run")) == 2
    assert capsys.readouterr().err == (
        f"error: stage '{command.replace('-', '_')}' needs a finished 'train_classifier': not done yet\n"
        "help: run 'tagseg train-classifier' or 'tagseg run' first\n"
    )


def test_masks_before_the_affinity_network_that_they_walk_with(
    photos_recipe: Path, with_maps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("make-masks", str(photos_recipe), "--out", str(with_maps)) == 2
    assert capsys.readouterr().err == (
        "error: stage 'make_masks' needs a finished 'train_affinity': not done yet\n"
        "help: run 'tagseg train-affinity' or 'tagseg run' first\n"
    )
    assert finished_stages(with_maps) == ["train_classifier", "extract_cams"]


def test_an_affinity_network_that_nothing_walks_with(
    photos_recipe: Path, with_maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(with_maps, tmp_path / "run")
    words = [str(photos_recipe), "--out", str(folder), "--set", "masks.refine=[]"]
    assert exit_code("train-affinity", *words) == 0
    assert told_of_stages(capsys)[:3] == [
        "train_classifier: skipped (done with the same inputs)",
        "extract_cams: skipped (done with the same inputs)",
        "train_affinity: skipped (masks.refine does not walk)",
    ]
    assert exit_code("make-masks", *words) == 0
    walks, starts, done = told_of_stages(capsys)[2:5]
    assert (walks, starts) == (
        "train_affinity: skipped (masks.refine does not walk)",
        "make_masks: starts (not done yet)",
    )
    assert re.fullmatch(r"make_masks: done \(\d+ s\)", done)
    assert finished_stages(folder) == ["train_classifier", "extract_cams", "make_masks"]


def told_of_stages(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what was printed of stages; what is told about one stands further to the right."""
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
