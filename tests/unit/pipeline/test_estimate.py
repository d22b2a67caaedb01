"""The time that is told at the beginning of a run: rates of earlier runs, and only of such that did the same."""

import json
import shutil
from pathlib import Path

import pytest
from kit.heard import Heard
from kit.small_run import quick_recipe, run

from tagseg.data.drawn_pictures import write_dataset
from tagseg.pipeline import run_pipeline
from tagseg.recipe import Recipe

SECONDS = {"train_classifier": 600.0, "extract_cams": 60.0, "make_masks": 30.0}


class StopError(Exception):
    """The estimate was told."""


class Listener(Heard):
    def note(self, text: str) -> None:
        super().note(text)
        if "estimate" in text:
            raise StopError


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with photographs and a finished run of two epochs, whose stages took :data:`SECONDS`."""
    root = tmp_path_factory.mktemp("place")
    write_dataset(root / "photos", num_images=8, size=(64, 64), seed=3)
    run(quick_recipe(root / "photos", root / "cache"), root / "runs" / "first")
    path = root / "runs" / "first" / "manifest.json"
    manifest = json.loads(path.read_text())
    for stage, seconds in SECONDS.items():
        manifest["stages"][stage]["details"]["total_time_s"] = seconds
    manifest["stages"]["evaluate"]["details"]["total_time_s"] = 0.0
    manifest["stages"]["report"]["details"] |= {"total_time_s": 10.0, "images": 4}  # drawn, of eight
    path.write_text(json.dumps(manifest))
    return root


def told(recipe: Recipe, out: Path) -> str:
    heard = Listener()
    with pytest.raises(StopError):
        run_pipeline(recipe, out, progress=heard)
    return heard.notes[-1]


def test_a_longer_training_takes_longer_at_the_same_rate(place: Path) -> None:
    first = place / "runs" / "first"
    assert told(quick_recipe(place / "photos", place / "cache", "training.epochs=4"), place / "runs" / "second") == (
        f"estimate: about 21 min 40 s by the rates of {first} (train_classifier 20 min 0 s, extract_cams 1 min 0 s, "
        "make_masks 30 s, evaluate 0 s, report 10 s)"
    )


def test_other_settings_are_another_rate(place: Path) -> None:
    recipe = quick_recipe(place / "photos", place / "cache", "training.crop_size_px=32")
    said = told(recipe, place / "runs" / "smaller")
    assert said.startswith("estimate: at least 1 min 40 s by the rates of ")
    assert said.endswith("; not known: train_classifier")


def test_photographs_of_another_set_have_other_sizes_but_crops_do_not(place: Path) -> None:
    write_dataset(place / "more", num_images=16, size=(64, 64), seed=4)
    said = told(quick_recipe(place / "more", place / "cache"), place / "runs" / "more")
    assert said.startswith("estimate: at least 20 min 0 s by the rates of ")
    assert said.endswith("; not known: extract_cams, make_masks, evaluate, report")


@pytest.mark.parametrize(
    ("entry", "value"), [(("environment", "platform"), "another machine"), (("recipe", "engine", "precision"), "x")]
)
def test_another_machine_tells_nothing(place: Path, tmp_path: Path, entry: tuple[str, ...], value: str) -> None:
    manifest = json.loads((place / "runs" / "first" / "manifest.json").read_text())
    holder = manifest
    for name in entry[:-1]:
        holder = holder[name]
    holder[entry[-1]] = value
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "manifest.json").write_text("{")
    assert told(quick_recipe(place / "photos", place / "cache"), tmp_path / "second") == (
        "no estimate of the whole run yet; each stage says how long it takes"
    )


@pytest.mark.parametrize(("state", "left"), [("done", "5 s"), ("started", "1 s")])
def test_what_is_done_anew_takes_its_whole_time(place: Path, state: str, left: str, tmp_path: Path) -> None:
    """Seconds that were spent on a report of other inputs are spent; an interrupted one goes on."""
    first = tmp_path / "first"
    shutil.copytree(place / "runs" / "first", first)
    path = first / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["stages"]["report"] |= {"state": state, "spent_s": 4.0}
    manifest["stages"]["report"]["details"]["total_time_s"] = 5.0
    if state == "done":
        manifest["stages"]["report"]["fingerprint"] = "of other inputs"
    path.write_text(json.dumps(manifest))
    assert told(quick_recipe(place / "photos", place / "cache"), first) == (
        f"estimate: about {left} by the rates of {first} (report {left})"
    )


def test_a_finished_run_has_nothing_to_estimate(place: Path) -> None:
    heard = Heard()
    run_pipeline(quick_recipe(place / "photos", place / "cache"), place / "runs" / "first", progress=heard)
    assert not [note for note in heard.notes if "estimate" in note]
