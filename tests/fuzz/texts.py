"""Readers of recipes, settings on a command line, lists of photographs, and runs that are read back."""

import os
from pathlib import Path

from kit.saved_runs import save_run, save_scores

from fuzz.artifacts import CURVES
from fuzz.pictures import written
from fuzz.reader import Read, Reader, placed
from tagseg.artifacts.scores_file import read_scores
from tagseg.data.input_files import find_inputs
from tagseg.progress import SilentProgress
from tagseg.recipe import load_recipe, load_run_recipe, make_recipe, to_toml
from tagseg.results.page import write_report

MINIMAL = {"name": "mine", "data": {"format": "folder", "root": "photos"}}
RECIPE = b"""name = "mine"
preset = "corrected"

[data]
format = "folder"
root = "photos"
classes = ["cat", "dog"]

[training]
epochs = 5
lr = 1e-2
long_side_px = [320, 640]

[masks]
refine = ["walk", "crf"]

[small_set]
below = 500
set = ["training.epochs=10"]
"""
VOC_RECIPE = b'name = "voc"\n[data]\nformat = "voc"\nroot = "VOC2012"\ntrain_split = "train"\n[engine]\nworkers = 2\n'
SETTINGS = (
    *("training.epochs=5", "name=2024-01-31", 'data.classes=["cat", "dog"]', "masks.refine=[]", "seed=1"),
    *("cams.scales=[0.5, 1.0]", "data.root=~/photos", "training.lr=1e-3", "classifier.backbone=resnet18"),
)
LINES = "a.jpg\nsub/b.png\n~/c.jpg\n../d.jpg\n/e.jpg\n"


def whole_recipe() -> list[bytes]:
    return [RECIPE, VOC_RECIPE, to_toml(make_recipe(MINIMAL)).encode()]


def prepare_recipe(folder: Path) -> Read:
    def read(path: Path) -> object:
        recipe = load_recipe(path)
        assert to_toml(make_recipe(_parsed(to_toml(recipe)))) == to_toml(recipe), "a recipe reads back as itself"
        return recipe

    return placed(folder / "recipe.toml", read)


def _parsed(text: str) -> dict[str, object]:
    import tomllib

    return tomllib.loads(text)


def prepare_setting(folder: Path) -> Read:
    return lambda content: make_recipe(MINIMAL, [os.fsdecode(content)])


def prepare_lines(folder: Path) -> Read:
    os.chdir(folder)
    return lambda content: find_inputs(["-"], lines=os.fsdecode(content).split("\n"))


def prepare_pattern(folder: Path) -> Read:
    """A word of the command line: a file, a folder or a pattern; always inside of one folder."""
    (folder / "photos").mkdir()
    (folder / "photos" / "a.jpg").write_bytes(b"...")

    def read(content: bytes) -> object:
        os.chdir(folder / "photos")
        word = os.fsdecode(content).replace("\0", "0").replace("..", "__").lstrip("/~")
        return find_inputs([word or "."])

    return read


def prepare_report(name: str):
    """Return the preparation of a finished run in which one file is the fuzzed one, and its page is written."""

    def prepare(folder: Path) -> Read:
        run = folder / "run"
        run.mkdir()
        (run / "recipe.toml").write_text(to_toml(make_recipe(MINIMAL, ['data.classes=["cat"]'])))
        save_scores(run / "scores.json")
        save_run(run / "manifest.json")
        (run / "1_classifier").mkdir()
        (run / "1_classifier" / "curves.csv").write_bytes(CURVES)

        def read(path: Path) -> object:
            page = write_report(run, folder / "report.html", progress=SilentProgress())
            text = page.read_text(encoding="utf-8")
            assert text.rstrip().endswith("</html>")
            return page

        return placed(run / name, read)

    return prepare


READERS = (
    Reader("recipe", whole_recipe, prepare_recipe, cost=3),
    Reader("run-recipe", whole_recipe, lambda folder: placed(folder / "recipe.toml", load_run_recipe), cost=3),
    Reader("setting", lambda: [text.encode() for text in SETTINGS], prepare_setting, cost=3, names_file=False),
    Reader("photograph-lines", lambda: [LINES.encode()], prepare_lines, names_file=False),
    Reader(
        "photograph-words",
        lambda: [b"a.jpg", b"*.jpg", b"**/*.jpg", b"[a-c].jpg", b".", b"a?.jpg", b"../photos"],
        prepare_pattern,
        names_file=False,
    ),
    Reader("scores", written(save_scores), lambda folder: placed(folder / "scores.json", read_scores)),
    Reader("report-scores", written(save_scores), prepare_report("scores.json"), cost=20),
    Reader("report-manifest", written(save_run), prepare_report("manifest.json"), cost=20),
    Reader("report-curves", lambda: [CURVES], prepare_report("1_classifier/curves.csv"), cost=20),
)
