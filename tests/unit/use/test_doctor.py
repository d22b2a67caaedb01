"""Facts for a bug report: they are there, and nothing private is."""

import getpass
import sys
from pathlib import Path

import pytest
from kit.blocked import run_python
from kit.command_line import exit_code
from kit.hand_made_runs import SIDE, make_run

import tagseg
from tagseg.artifacts.run_folder import RunFolder
from tagseg.data.drawn_pictures import write_dataset
from tagseg.use.doctor import EXTRAS, machine_lines, source_lines, without_home

SECRET = "secretword"


def test_the_machine_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("doctor") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"tagseg {tagseg.__version__}")
    extras = tuple(f"extra {name}: " for name in EXTRAS)
    begins = ("python ", "platform ", "packages torch ", *extras, "device ", "processors ", "memory ", "free disk ")
    for begin in (*begins, "variables ", "package ", "executable "):
        assert sum(line.startswith(begin) for line in lines) == 1, begin
    assert not any(str(place) in line for line in lines for place in (Path(sys.prefix), Path(tagseg.__file__).parent))


def test_the_home_folder_and_the_user_are_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", f"/home/{SECRET}")
    monkeypatch.setenv("USER", SECRET)
    assert without_home(f"/home/{SECRET}/a and /scratch/{SECRET}/b") == "~/a and /scratch/USER/b"
    assert without_home(f"/home/{SECRET}er") == f"/home/{SECRET}er"
    monkeypatch.setenv("HOME", "/")
    assert without_home("/opt/a") == "/opt/a"


def test_a_recipe_is_described_without_names(tmp_path: Path) -> None:
    root, weights = tmp_path / SECRET, tmp_path / SECRET / "weights.safetensors"
    root.mkdir()
    weights.touch()
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        f'name = "{SECRET}"\n[data]\nformat = "folder"\nroot = "{root}"\ntags = "{SECRET}.csv"\n'
        f'classes = ["{SECRET}", "b"]\n[classifier]\nweights = "{weights}"\n[training]\nepochs = 7\n'
        f'[segmenter]\ncorrections = "{SECRET}"\n'
        f"[small_set]\nbelow = 9\nset = [\"affinity.weights='{weights}'\"]\n"
    )
    lines = list(source_lines(str(recipe)))
    assert lines == [
        "recipe: data.format folder, preset corrected, classes 2",
        "  data.root: a folder",
        "  data.tags: nothing is there",
        "  small_set.below = 9",
        "  small_set.set = [(a path)]",
        "  classifier.weights = (a path)",
        "  training.epochs = 7",
        "  segmenter.corrections = (a path)",
    ]


def test_a_run_is_described_without_names(tmp_path: Path) -> None:
    photos = tmp_path / SECRET
    write_dataset(photos, num_images=2, size=(SIDE, SIDE))
    run = make_run(tmp_path / f"run of {SECRET}", photos)
    folder = RunFolder(run)
    folder.mark_started("train_classifier", "a")
    folder.update_manifest(
        counts={"train_images": 2}, data={"images": 2, "bad_files": [{"path": f"{SECRET}.jpg", "reason": SECRET}]}
    )
    lines = list(source_lines(str(run)))
    assert lines[:4] == [
        "run: train_images 2",
        "  data: 1 bad files",
        "  stage train_classifier: started",
        "recipe: data.format folder, preset corrected, classes all",
    ]
    text = "\n".join(lines)
    assert SECRET not in text
    assert not any(path.stem in text for path in photos.rglob("*.jpg"))


def test_a_packaged_recipe_is_described() -> None:
    assert next(source_lines("demo")) == "recipe: data.format synthetic, preset corrected, classes all"


def test_a_torch_that_does_not_load_is_told() -> None:
    code = "from tagseg.use.doctor import machine_lines\nprint(*machine_lines(), sep='\\n')"
    done = run_python(code, without=("torch", "torchvision", "timm", "lightning_fabric"))
    assert done.returncode == 0, done.stderr
    assert "device: torch cannot be imported: ImportError: the test keeps torch away" in done.stdout


def test_the_user_is_in_no_line() -> None:
    user = getpass.getuser()
    private = (f"/home/{user}", f"/Users/{user}", str(Path.home()))
    assert [line for line in machine_lines() if any(each in line for each in private)] == []
