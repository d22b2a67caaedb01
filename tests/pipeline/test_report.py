"""The page of a run as it is made: after each stage, kill -9, skipped, deleted, older scores, two processes, beside."""

import json
import shutil
import time
from pathlib import Path

import pytest
from kit.heard import Heard
from kit.processes import forked, wait_until
from kit.small_run import NUM_IMAGES, quick_recipe, run

from tagseg.artifacts.run_scores import SCORES_FORMAT
from tagseg.data.drawn_pictures import write_dataset
from tagseg.pipeline import run_compared, run_pipeline
from tagseg.progress import SilentProgress

END = "</html>"


def of_report(heard: Heard) -> list[tuple[str, str]]:
    """Return what was said of the stage that writes the page, but for its end."""
    return [(status, detail) for name, status, detail in heard.stages if name == "report" and status != "done"]


def page(root: Path) -> str:
    return (root / "report.html").read_text(encoding="utf-8")


def manifest_of(root: Path) -> dict:
    return json.loads((root / "manifest.json").read_text())


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    write_dataset(root, num_images=NUM_IMAGES, size=(64, 64), seed=3)
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def finished(photos, cache, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "run"
    run(quick_recipe(photos, cache), out)
    return out


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def again(root: Path, photos: Path, cache: Path, *settings: str) -> Heard:
    progress = Heard()
    run_pipeline(quick_recipe(photos, cache, *settings), root, progress=progress)
    return progress


def test_the_page_is_there_after_each_stage_and_tells_how_far_the_run_is(photos, cache, tmp_path):
    out, states = tmp_path / "run", []
    for stage in ("train_classifier", "extract_cams", "make_masks", "evaluate"):
        (out / "report.html").unlink(missing_ok=True)
        run_pipeline(quick_recipe(photos, cache), out, progress=SilentProgress(), only=stage)
        text = page(out)
        assert text.rstrip().endswith(END)
        states.append("/9j/" in text)  # how a JPEG begins in base64
    assert states == [False, True, True, True]
    assert "report" not in manifest_of(out)["stages"]  # a page of a run at work is not a finished stage
    progress = again(out, photos, cache)
    assert of_report(progress) == [("start", "not done yet")]


def test_a_finished_run_tells_what_it_cost(finished):
    stages = manifest_of(finished)["stages"]
    assert stages["report"]["details"]["images"] == NUM_IMAGES
    assert stages["report"]["details"]["bytes"] == (finished / "report.html").stat().st_size
    for name in ("train_classifier", "extract_cams", "make_masks", "evaluate", "report"):
        details = stages[name]["details"]
        assert details["device"] == "cpu" and details["processes"] == 1
        assert details["total_time_s"] >= details["time_s"] >= 0
        assert details["peak_memory_bytes"] > 2**20
        assert details["commit"] == manifest_of(finished)["environment"]["commit"]
    assert stages["extract_cams"]["details"]["counted"] == "Extracting CAMs"
    assert stages["extract_cams"]["details"]["counted_images"] == NUM_IMAGES
    assert stages["train_classifier"]["details"]["images_per_s"] > 0
    assert page(finished).rstrip().endswith(END)


def test_a_second_run_skips_it_and_a_deleted_page_is_made_again(copy, photos, cache):
    before = page(copy)
    assert of_report(again(copy, photos, cache)) == [("skip", "done with the same inputs")]
    assert page(copy) == before
    (copy / "report.html").unlink()
    assert of_report(again(copy, photos, cache)) == [("start", "report.html is gone")]
    assert page(copy).rstrip().endswith(END)


def test_a_stage_that_is_done_again_makes_it_again(copy, photos, cache):
    (copy / "4_masks" / "labels" / "000003.png").unlink()
    assert of_report(again(copy, photos, cache)) == [("start", "a stage before it was done again")]
    (copy / "4_masks" / "labels" / "000003.png").unlink()
    run_pipeline(quick_recipe(photos, cache), copy, progress=SilentProgress(), only="make_masks")
    assert of_report(again(copy, photos, cache)) == [("start", "a stage before it was done again")]
    found = of_report(again(copy, photos, cache, "evaluation.background_scores=[0.1, 0.2]"))
    assert found == [("start", "its inputs changed")]


def test_scores_of_an_older_version_are_made_again(copy, photos, cache):
    scores = json.loads((copy / "scores.json").read_text())
    old = json.loads(json.dumps(scores))
    del old["format"]
    for counted in (*old["seeds"].values(), old["pseudo_masks"]["masks"], old["pseudo_masks"]["confident"]):
        counted.pop("confusion")
        counted.pop("activation", None)
    (copy / "scores.json").write_text(json.dumps(old))
    progress = again(copy, photos, cache)
    reason = f"its scores have format 1, and now {SCORES_FORMAT} with more in it"
    assert ("evaluate", "start", reason) in progress.stages
    assert of_report(progress) == [("start", "a stage before it was done again")]
    assert json.loads((copy / "scores.json").read_text()) == scores


def test_warnings_are_in_the_manifest_and_on_the_page(photos, cache, tmp_path):
    root = Path(shutil.copytree(photos, tmp_path / "photos"))
    (root / "images" / "000002.png").write_bytes(b"no image")
    out = tmp_path / "run"
    run(quick_recipe(root, cache), out)
    warning = "1 of 12 images cannot be read and are left out; see manifest.json"
    assert manifest_of(out)["warnings"] == [warning]
    assert warning in page(out) and "000002.png" in page(out)


def test_a_page_that_cannot_be_made_ends_no_run(copy, photos, cache):
    shutil.rmtree(copy / "4_masks")
    (copy / "report.html").unlink()
    (copy / "report.html").mkdir()  # in the way
    progress = Heard()
    run_pipeline(quick_recipe(photos, cache), copy, progress=progress, only="make_masks")
    assert manifest_of(copy)["stages"]["make_masks"]["state"] == "done"
    warning = progress.warnings[-1]
    assert warning.startswith("report.html shows an earlier state: ") and "could not be written" in warning


DRAW_FOR_EVER = """
import sys
from pathlib import Path
from kit.heard import Heard
from kit.small_run import quick_recipe
from tagseg.report import html
from tagseg.pipeline import run_pipeline

def slowly(report, render=html.render_report):
    drawing.touch()
    text = render(report)
    while True:  # until it is killed
        pass

class Marker(Heard):
    def stage(self, name, status, detail):
        if (name, status) == ("report", "start"):
            html.render_report = slowly

photos, cache, out, drawing = map(Path, sys.argv[1:])
run_pipeline(quick_recipe(photos, cache), out, progress=Marker())
"""


@pytest.mark.parametrize("there", [True, False])
def test_a_kill_while_it_is_made_leaves_the_old_page_or_none(copy, photos, cache, tmp_path, there):
    if there:
        shutil.rmtree(copy / "6_predictions", ignore_errors=True)
        (copy / "report.html").write_text("old")
        manifest = manifest_of(copy)
        manifest["stages"]["report"]["details"]["made_of"]["stages"] = "of an earlier state"
        (copy / "manifest.json").write_text(json.dumps(manifest))
    else:
        (copy / "report.html").unlink()
    drawing = tmp_path / "drawing"
    with forked(DRAW_FOR_EVER, photos, cache, copy, drawing) as process:
        assert wait_until(lambda: drawing.exists() or not process.is_alive())
        assert process.is_alive()
        time.sleep(0.2)
    if there:
        assert (copy / "report.html").read_text() == "old"
    else:
        assert not (copy / "report.html").exists()
    assert of_report(again(copy, photos, cache)) == [("resume", "it was interrupted")]
    assert page(copy).rstrip().endswith(END)


@pytest.mark.usefixtures("forked_launches")
def test_two_processes_write_it_once(copy, photos, cache):
    (copy / "report.html").unlink()
    run_pipeline(quick_recipe(photos, cache, "engine.devices=2"), copy, progress=SilentProgress())
    details = manifest_of(copy)["stages"]["report"]["details"]
    assert (details["images"], details["processes"]) == (NUM_IMAGES, 2)
    assert page(copy).rstrip().endswith(END)
    assert not list(copy.glob(".report*"))


def test_runs_beside_it_come_onto_the_page_and_it_is_written_again_for_them_once(copy, photos, cache):
    progress = Heard()
    recipe = quick_recipe(photos, cache)
    run_compared(recipe, copy, baseline=True, upper_bound=False, progress=progress)
    assert of_report(progress) == [
        ("skip", "done with the same inputs"),
        ("start", "not done yet"),  # of plain CAM
        ("start", "the runs to compare with have other scores"),
    ]
    assert [told for told in progress.stages if told[0] == "evaluate" and told[1] == "skip"] == [
        ("evaluate", "skip", "done with the same inputs")
    ]
    assert "plain CAM" in page(copy)
    progress = Heard()
    run_compared(recipe, copy, baseline=True, upper_bound=False, progress=progress)
    assert of_report(progress) == [("skip", "done with the same inputs")] * 2
    assert of_report(again(copy, photos, cache)) == [("skip", "done with the same inputs")]
