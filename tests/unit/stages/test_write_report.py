"""What a report says besides its pictures, on run folders made by hand: finished, half done, old, without data."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from kit.hand_made_runs import NUM_IMAGES, SIDE, add_masks, make_run
from kit.heard import Heard
from kit.scores import ALL_SCORES

from tagseg.artifacts.run_folder import RunFolder
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import ArtifactError, DataError
from tagseg.progress import SilentProgress
from tagseg.report.content import Problem, Report, ScoreSet, StageRow
from tagseg.results.gallery import gather_gallery
from tagseg.results.page import write_report
from tagseg.results.source import open_source
from tagseg.results.summary import CURVE_POINTS, gather_report, thin


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "photos"
    write_dataset(root, num_images=NUM_IMAGES, size=(SIDE, SIDE), seed=3)
    return root


@pytest.fixture
def run(photos: Path, tmp_path: Path) -> Path:
    root = make_run(tmp_path / "run", photos)
    (root / "scores.json").write_text(json.dumps(ALL_SCORES))
    return root


def report_of(root: Path) -> Report:
    source = open_source(root)
    return gather_report(source, gather_gallery(source, progress=SilentProgress()))


def write_manifest(root: Path, **sections: Any) -> None:
    (root / "manifest.json").write_text(json.dumps({"format": 1, "stages": {}, **sections}))


def test_scores_are_those_of_the_file_from_the_first_stage_to_the_last(run: Path) -> None:
    found = report_of(run).scores
    assert [(each.key, each.title, each.split, each.images, each.note) for each in found] == [
        ("seeds_network", "seeds from the network", "val", 8, "cut at 0.40, the best background score of the sweep"),
        (
            "seeds_averaged",
            "seeds averaged over regions",
            "val",
            8,
            "cut at 0.20, the best background score of the sweep",
        ),
        ("sure_seeds", "sure seeds", "val", 6, "over the 62.5 % of the pixels whose label is sure"),
        ("pseudo_masks", "pseudo masks", "val", 7, "walk + crf; cut at 0.30 (found without masks)"),
        ("confident", "pseudo masks where trusted", "val", 7, "over the 50.0 % of the pixels that are trusted"),
        ("segmenter", "segmentation network", "test", 3, "taught by pseudo masks, strategy confident"),
    ]
    assert found[0] == ScoreSet(
        "seeds_network",
        "seeds from the network",
        "val",
        8,
        0.5,
        0.25,
        None,
        0.75,
        {"background": 0.5, "bullseye": None},
        ((3, 1), (0, 2)),
        "cut at 0.40, the best background score of the sweep",
    )
    assert [each.confusion for each in found[2:]] == [
        ((1, 0), (0, 1)),
        ((5, 1), (0, 2)),
        ((2, 1), (0, 2)),
        ((9, 1), (0, 2)),
    ]


def test_sweeps_and_activation_are_those_of_the_file(run: Path) -> None:
    report = report_of(run)
    assert [(each.key, each.best, len(each.points)) for each in report.sweeps] == [
        ("network", 0.4, 2),
        ("averaged", 0.2, 2),
        ("masks", 0.4, 2),
    ]
    point = report.sweeps[0].points[0]
    assert (point.background_score, point.mean_iou, point.precision, point.recall) == (
        0.2,
        pytest.approx(0.3),
        0.25,
        None,
    )
    activation = report.activation[0]
    assert (activation.key, activation.background_score) == ("network", 0.4)
    assert [(each.name, each.inside, each.covered) for each in activation.shares] == [
        ("all classes", 0.5, 0.25),
        ("bullseye", None, 0.0),
    ]


def test_numbers_written_without_a_point_are_numbers_too(run: Path) -> None:
    def whole(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: whole(each) for key, each in value.items()}
        if isinstance(value, list):
            return [whole(each) for each in value]
        return round(value) if isinstance(value, float) else value

    (run / "scores.json").write_text(json.dumps(whole(ALL_SCORES)))
    details = {"images": 8, "time_s": 3, "images_per_s": 2}
    write_manifest(run, stages={"make_masks": {"state": "done", "details": details}})
    report = report_of(run)
    values = [each.pixel_accuracy for each in report.scores]
    assert values == [1.0] * 6 and all(isinstance(value, float) for value in values)
    shares = [(each.inside, each.covered) for each in report.activation[0].shares]
    assert shares == [(0.0, 0.0), (None, 0.0)] and isinstance(shares[0][0], float)
    assert isinstance(report.scores[0].iou["background"], float)
    assert "<td" in write_report(run).read_text(encoding="utf-8")


def test_an_older_file_of_scores_has_no_matrix_and_no_activation(run: Path) -> None:
    old = json.loads(json.dumps(ALL_SCORES))
    del old["format"]
    for counted in (
        *old["seeds"].values(),
        old["sure_seeds"],
        *(old["pseudo_masks"][key] for key in ("masks", "confident")),
    ):
        counted.pop("confusion")
        counted.pop("activation", None)
    (run / "scores.json").write_text(json.dumps(old))
    report = report_of(run)
    assert report.activation == ()
    assert [each.confusion is None for each in report.scores] == [True] * 5 + [False]
    assert [each.mean_iou for each in report.scores][2:] == [0.5] * 4


def test_a_run_that_is_not_scored_says_so_by_having_no_scores(run: Path) -> None:
    for text in ('{"seeds": null, "reason": "no masks", "segmenter": null}', None):
        if text:
            (run / "scores.json").write_text(text)
        else:
            (run / "scores.json").unlink()
        report = report_of(run)
        assert (report.scores, report.sweeps, report.activation, report.beside) == ((), (), (), ())


def test_scores_that_cannot_be_read_are_an_error(run: Path) -> None:
    (run / "scores.json").write_text("[]")
    with pytest.raises(ArtifactError, match="must be scores that tagseg wrote"):
        report_of(run)


def test_stages_are_those_of_the_manifest(run: Path) -> None:
    details = {
        "images": 8,
        "time_s": 2.0,
        "total_time_s": 12.0,
        "device": "cuda",
        "processes": 2,
        "commit": "abc+",
        "peak_memory_bytes": 1000,
        "peak_gpu_memory_bytes": 3 * 2**29,
        "counted": "Training",
        "counted_images": 96,
        "images_per_s": 48.0,
    }
    stages = {
        "train_classifier": {"state": "done", "started": "2026-01-01T00:00:00+00:00", "details": details},
        "extract_cams": {"state": "started", "started": "2026-01-02T00:00:00+00:00", "spent_s": 30.0},
        "make_masks": {"state": "done", "details": {"images": 8, "time_s": 1.5}},
        "report": {"state": "done", "details": {}},
    }
    write_manifest(run, stages=stages)
    rows = {row.name: row for row in report_of(run).stages}
    assert list(rows) == [
        "train_classifier",
        "extract_cams",
        "train_affinity",
        "make_masks",
        "train_segmenter",
        "predict",
        "evaluate",
    ]
    assert rows["train_classifier"] == StageRow(
        "train_classifier",
        "done",
        started="2026-01-01T00:00:00+00:00",
        time_s=2.0,
        images=8,
        images_per_s=48.0,
        peak_memory_bytes=1000,
        device="cuda",
        commit="abc+",
        note="2 processes; throughput of 'Training', 96 images; 12 s with all sittings; 1.5 GiB of the GPU's memory",
    )
    assert (rows["extract_cams"].state, rows["extract_cams"].time_s) == ("started", None)
    assert rows["extract_cams"].note == "30 s so far"
    assert rows["make_masks"] == StageRow("make_masks", "done", time_s=1.5, images=8)  # of an older version
    assert rows["evaluate"] == StageRow("evaluate", "missing")


def test_stages_that_the_recipe_does_without_say_why(photos: Path, tmp_path: Path) -> None:
    root = make_run(tmp_path / "run", photos, "segmenter.enabled=false", "masks.refine=[]")
    rows = {row.name: (row.state, row.note) for row in report_of(root).stages}
    assert rows["train_affinity"] == ("not needed", "masks.refine does not walk")
    assert rows["train_segmenter"] == rows["predict"] == ("not needed", "segmenter.enabled is false")


def test_bad_files_and_warnings_are_listed_once(run: Path) -> None:
    bad = {"path": "photos/a.jpg", "reason": "cut short"}
    write_manifest(
        run,
        data={"fingerprint": "f", "bad_files": [bad], "bad_masks": [{"path": "photos/b.jpg", "reason": "no mask"}]},
        test_data={"fingerprint": "g", "bad_files": [bad, {"path": "test/c.jpg", "reason": "empty"}]},
        warnings=["1 of 9 images cannot be read"],
        stages={"train_classifier": {"state": "done", "warnings": ["the loss rose"]}},
    )
    assert report_of(run).problems == (
        Problem("bad image", "photos/a.jpg", "cut short"),
        Problem("bad mask", "photos/b.jpg", "no mask"),
        Problem("bad image", "test/c.jpg", "empty"),
        Problem("warning", "data", "1 of 9 images cannot be read"),
        Problem("warning", "train_classifier", "the loss rose"),
    )


def test_what_ran_is_told_in_groups(run: Path) -> None:
    environment = {"python": "3.12.1", "platform": "Linux", "packages": {"torch": "2.0", "timm": None}, "commit": "abc"}
    details = {"time_s": 1.0, "total_time_s": 4.0, "device": "cpu", "peak_memory_bytes": 2**30, "threads": 2}
    write_manifest(
        run,
        environment=environment,
        created="2026-01-01T00:00:00+00:00",
        data={"fingerprint": "feed", "bad_files": [{"path": "x", "reason": "y"}], "bad_masks": []},
        stages={
            "train_classifier": {"state": "done", "details": details},
            "make_masks": {"details": {"time_s": 2.0, "background_score": 0.375}},
        },
    )
    facts = {(fact.group, fact.name): fact.value for fact in report_of(run).facts}
    assert facts["data", "learns from"] == f"{NUM_IMAGES} images of split 'all'"
    assert facts["data", "seeds and masks scored on"] == f"split 'all', {NUM_IMAGES} images with ground truth"
    assert facts["data", "fingerprint"] == "feed"
    assert facts["data", "left out"] == "1 images, 0 masks"
    assert facts["recipe", "spatial structure constraints"] == "suppression, reconstruction, self-modulation"
    assert facts["recipe", "background score of the pseudo masks"] == "0.38, of the recipe"
    assert facts["versions", "torch"] == "2.0"
    assert ("versions", "timm") not in facts
    assert facts["machine", "time of all stages"] == "6 s"
    assert facts["machine", "peak memory"] == "1.00 GiB"
    assert facts["machine", "device"] == "cpu"
    assert {group for group, _ in facts} == {"data", "recipe", "versions", "machine"}


@pytest.mark.parametrize(
    ("found", "origin"),
    [
        ({}, "Otsu's threshold on the maps"),  # of an older version
        ({"background_rule": "otsu"}, "Otsu's threshold on the maps"),
        ({"background_rule": "auto"}, "which frozen features ask for"),
        ({"background_rule": "fixed"}, "of the recipe, since the maps have fewer than two different scores above 0"),
    ],
)
def test_the_page_says_where_the_background_score_comes_from(photos, tmp_path, found, origin) -> None:
    root = make_run(tmp_path / "run", photos, "masks.background_rule=auto")
    write_manifest(root, stages={"make_masks": {"details": {"background_score": 0.375, **found}}})
    facts = {fact.name: fact.value for fact in report_of(root).facts}
    assert facts["background score of the pseudo masks"] == f"0.38, {origin}"


def test_an_unfinished_run_of_an_older_version_is_told_as_far_as_it_goes(photos: Path, tmp_path: Path) -> None:
    root = make_run(tmp_path / "run", photos)
    report = report_of(root)
    assert report.title == "small" and report.folder == str(root)
    assert all(row.state == "missing" for row in report.stages)
    assert report.scores == () and report.curves == ()
    assert len(report.gallery) == NUM_IMAGES
    assert report.recipe == (root / "recipe.toml").read_text()


def test_curves_are_read_and_thinned(run: Path) -> None:
    folder = RunFolder(run)
    rows = [f"{step},loss,{step / 10}" for step in range(1, 1001)] + ["500,val_miou,0.25", "1000,val_miou,0.5"]
    for stage in ("train_classifier", "train_affinity"):
        folder.output(stage).mkdir(exist_ok=True)
        (folder.output(stage) / "curves.csv").write_text("\n".join(["step,name,value", *rows, "10"]))
    curves = {(curve.stage, curve.name): curve for curve in report_of(run).curves}
    assert set(curves) == {
        (stage, name) for stage in ("train_classifier", "train_affinity") for name in ("loss", "val_miou")
    }
    loss = curves["train_classifier", "loss"]
    assert len(loss.steps) == len(loss.values) == CURVE_POINTS
    assert loss.steps[-1] == 1000
    assert sum(loss.values) / CURVE_POINTS == pytest.approx(50.05, rel=0.01)
    assert curves["train_classifier", "val_miou"].values == (0.25, 0.5)


def test_a_thinned_curve_keeps_its_last_step_and_its_mean() -> None:
    points = [(step, float(step)) for step in range(1, 8)]
    assert thin(points, count=7) == points
    thinned = thin(points, count=3)
    assert thinned == [(2, 1.5), (4, 3.5), (7, 6.0)]
    assert thin([], count=3) == []


def test_curves_that_cannot_be_read_are_a_problem_not_the_end(run: Path) -> None:
    path = RunFolder(run).output("train_classifier") / "curves.csv"
    path.parent.mkdir()
    path.write_text("step,name,value\nnot,a,curve\n")
    report = report_of(run)
    assert report.curves == ()
    assert report.problems == (
        Problem("warning", str(path), "it holds no curves that tagseg wrote, and none are shown"),
    )


@pytest.mark.parametrize("last", [20, 10])
def test_curves_that_lost_points_are_shown_and_a_problem(run: Path, last: int) -> None:
    path = RunFolder(run).output("train_classifier") / "curves.csv"
    path.parent.mkdir()
    path.write_text("".join(["step,name,value\n", *(f"{step},loss,0.5\n" for step in range(10, last + 1, 10))]))
    write_manifest(run, stages={"train_classifier": {"state": "done", "details": {"steps": 20}}})
    report = report_of(run)
    assert [curve.steps[-1] for curve in report.curves] == [last]
    said = f"{path} must hold the points of 20 steps, got none behind step 10: the others are lost"
    assert report.problems == (() if last == 20 else (Problem("warning", str(path), said),))


def test_curves_of_a_stage_that_the_recipe_does_without_are_not_shown(photos: Path, tmp_path: Path) -> None:
    root = make_run(tmp_path / "run", photos, "masks.refine=[]")
    (root / "3_affinity").mkdir()
    (root / "3_affinity" / "curves.csv").write_text("step,name,value\n1,loss,1.0\n")
    assert report_of(root).curves == ()


def test_scored_runs_inside_the_folder_stand_beside(run: Path) -> None:
    assert report_of(run).beside == ()
    for name in ("plain", "full", "other"):
        (run / name).mkdir()
        (run / name / "scores.json").write_text(json.dumps(ALL_SCORES))
    (run / "full" / "scores.json").write_text(json.dumps({"seeds": None, "segmenter": ALL_SCORES["segmenter"]}))
    beside = report_of(run).beside
    assert [(each.title, each.upper_bound) for each in beside] == [
        ("plain CAM", False),
        ("ground truth as labels", True),
    ]
    assert [each.key for each in beside[1].scores] == ["segmenter"]


def test_without_its_data_set_a_run_is_told_without_pictures(run: Path, photos: Path) -> None:
    text = (run / "recipe.toml").read_text().replace(str(photos), "/no/such/photos")
    (run / "recipe.toml").write_text(text)
    report = report_of(run)
    assert report.label_names == ("background", "bullseye")
    assert report.gallery == () and report.gallery_rule == ""
    assert len(report.scores) == 6
    (problem,) = report.problems
    assert problem.what == "the data set" and problem.reason.startswith("no pictures are shown: ")
    heard = Heard()
    write_report(run, progress=heard)
    assert heard.warnings == [problem.reason]
    (run / "scores.json").unlink()
    with pytest.raises(DataError, match="/no/such/photos"):
        open_source(run)


def test_a_page_is_written_where_it_is_asked_to(run: Path, photos: Path, tmp_path: Path) -> None:
    add_masks(run, photos, "sure", "mask", "confident")
    before = sorted(path for path in run.rglob("*"))
    page = write_report(run, tmp_path / "deep" / "page.html")
    assert page == tmp_path / "deep" / "page.html"
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and text.rstrip().endswith("</html>")
    assert sorted(run.rglob("*")) == before
    assert write_report(run) == run / "report.html"
    shutil.rmtree(run / "2_cams")
    assert write_report(run).exists()  # an unfinished one


def test_an_older_page_stays_when_a_new_one_cannot_be_made(run: Path) -> None:
    (run / "report.html").write_text("old")
    (run / "scores.json").write_text("{")
    with pytest.raises(ArtifactError):
        write_report(run)
    assert (run / "report.html").read_text() == "old"
