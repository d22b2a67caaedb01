"""Runs compared: the same images of all, what differs, and the table; on run folders made by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from kit.hand_made_runs import NUM_IMAGES, SIDE, add_masks, ids_of, make_run
from kit.scores import ALL_SCORES

from tagseg.cli.compare_tables import change_lines, comparison_columns, comparison_rows, comparison_title
from tagseg.data.drawn_pictures import write_dataset
from tagseg.progress import SilentProgress
from tagseg.recipe import make_recipe
from tagseg.report.comparison import Change, Comparison
from tagseg.report.content import Report
from tagseg.results.compare import gather_comparison, recipe_changes, write_comparison

OFF = [f"{part}.enabled=false" for part in ("suppression", "reconstruction", "self_modulation")]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "photos"
    write_dataset(root, num_images=NUM_IMAGES, size=(SIDE, SIDE), seed=3)
    return root


@pytest.fixture
def runs(photos: Path, tmp_path: Path) -> list[Path]:
    plain = make_run(tmp_path / "base", photos, *OFF)
    ssc = make_run(tmp_path / "ssc", photos, "cams.average_over_regions=true")
    scores = json.loads(json.dumps(ALL_SCORES))
    (ssc / "scores.json").write_text(json.dumps(scores))
    del scores["seeds"]["averaged"]
    scores["seeds"]["network"]["best"]["mean_iou"] = 0.375
    scores["pseudo_masks"]["masks"]["iou"]["bullseye"] = 0.5
    scores["segmenter"] = None
    (plain / "scores.json").write_text(json.dumps(scores))
    return [plain, ssc]


def comparison_of(roots: list[Path], *image_ids: str, count: int = 12) -> Comparison:
    return gather_comparison(roots, image_ids=image_ids, count=count, progress=SilentProgress())


def shown(comparison: Comparison) -> list[list[str]]:
    return [[image.image_id for image in report.gallery] for report in comparison.reports]


def write_data(root: Path, fingerprint: str, **sections: Any) -> None:
    data = {"fingerprint": fingerprint, "bad_files": [], "bad_masks": []}
    (root / "manifest.json").write_text(json.dumps({"format": 1, "stages": {}, "data": data, **sections}))


def test_runs_have_different_titles_and_the_same_images_in_the_same_order(runs: list[Path]) -> None:
    ids = ids_of(runs[0])
    for count in (1, 3, NUM_IMAGES, 100):
        comparison = comparison_of(runs, count=count)
        assert [report.title for report in comparison.reports] == ["plain CAM", "SSC"]
        count = min(count, NUM_IMAGES)
        expected = [ids[(2 * position + 1) * NUM_IMAGES // (2 * count)] for position in range(count)]
        assert shown(comparison) == [expected, expected]
        rule = (
            f"{count} of {NUM_IMAGES} images that all runs made something of and that are scored, evenly spaced by id."
        )
        assert {report.gallery_rule for report in comparison.reports} == {rule}


def test_named_images_come_once_in_the_order_asked_for(runs: list[Path]) -> None:
    ids = ids_of(runs[0])
    comparison = comparison_of(runs, ids[4], ids[1], ids[4])
    assert shown(comparison) == [[ids[4], ids[1]]] * 2
    assert comparison.reports[1].gallery_rule == "The images that were named."


def test_an_images_score_is_of_the_latest_result_that_all_runs_have(runs: list[Path], photos: Path) -> None:
    add_masks(runs[1], photos, "mask", "confident")
    before = comparison_of(runs)
    assert {report.gallery_score for report in before.reports} == {"seeds"}
    assert "mask" in before.reports[1].gallery[0].labels and "mask" not in before.reports[0].gallery[0].labels
    add_masks(runs[0], photos, "mask", "confident")
    after = comparison_of(runs)
    assert {report.gallery_score for report in after.reports} == {"pseudo mask"}
    assert after.reports[0].gallery[0].mean_iou == after.reports[1].gallery[0].mean_iou  # of the same masks


def test_an_image_that_one_run_cannot_show_is_left_out_of_all(runs: list[Path]) -> None:
    ids = ids_of(runs[0])
    (runs[1] / "2_cams" / f"{ids[2]}.npz").write_bytes(b"no maps")
    comparison = comparison_of(runs)
    assert shown(comparison) == [[name for name in ids if name != ids[2]]] * 2
    assert {problem.what for report in comparison.reports for problem in report.problems} == {ids[2]}


def test_images_that_one_run_made_nothing_of_are_not_chosen(runs: list[Path]) -> None:
    ids = ids_of(runs[0])
    for name in ids[:5]:
        (runs[1] / "2_cams" / f"{name}.npz").unlink()
    assert shown(comparison_of(runs)) == [ids[5:]] * 2


def test_runs_that_have_not_begun_are_compared_as_far_as_they_go(runs: list[Path]) -> None:
    for path in (runs[1] / "2_cams").iterdir():
        path.unlink()
    (runs[1] / "scores.json").unlink()
    comparison = comparison_of(runs)
    assert shown(comparison) == [[], []]
    assert comparison.reports[0].gallery_rule == "The runs have made nothing of a common image yet."
    assert comparison.reports[1].scores == ()
    assert comparison_rows(comparison)[0] == ("mIoU %, seeds from the network", "37.5", "-", "-")


def test_the_changes_leave_names_and_places_out() -> None:
    def recipe(name: str, *settings: str):
        data = {"format": "folder", "root": f"/{name}", "tags": f"/{name}/tags.csv"}
        return make_recipe({"name": name, "data": data, "superpixels": {"cache": f"/{name}/cache"}}, list(settings))

    assert recipe_changes([recipe("a"), recipe("b")]) == ()
    found = recipe_changes(
        [recipe("a"), recipe("b", "seed=3", "cams.scales=[1.0, 2.0]"), recipe("c", "training.clip_norm=2.0")]
    )
    assert found == (
        Change("seed", ("0", "3", "0")),
        Change("training.clip_norm", ("not set", "not set", "2.0")),
        Change("cams.scales", ("[0.5, 1.0, 1.5, 2.0]", "[1.0, 2.0]", "[0.5, 1.0, 1.5, 2.0]")),
    )


def test_the_changes_between_layouts_name_the_keys_that_one_of_them_has() -> None:
    drawn = make_recipe({"name": "a", "data": {"format": "synthetic", "num_images": 9}})
    listed = make_recipe({"name": "b", "data": {"format": "voc", "root": "VOC2012", "eval_split": "train"}})
    assert recipe_changes([drawn, listed]) == (
        Change("data.format", ("synthetic", "voc")),
        Change("data.num_images", ("9", "not set")),
        Change("data.image_size_px", ("128", "not set")),
        Change("data.synthetic_seed", ("0", "not set")),
        Change("data.test_num_images", ("0", "not set")),
        Change("data.train_split", ("not set", "train_aug")),
        Change("data.eval_split", ("not set", "train")),
    )


def test_what_differs_in_the_recipes_is_in_the_comparison(runs: list[Path]) -> None:
    comparison = comparison_of(runs)
    assert [(change.key, change.values) for change in comparison.changes] == [
        ("suppression.enabled", ("false", "true")),
        ("reconstruction.enabled", ("false", "true")),
        ("self_modulation.enabled", ("false", "true")),
        ("cams.average_over_regions", ("false", "true")),
    ]
    assert change_lines(comparison)[:2] == ["recipes differ in:", "  suppression.enabled: false | true"]
    assert change_lines(Comparison(())) == ["recipes: the same, but for names and places of files"]


def test_the_table_has_scores_then_activation_then_labels(runs: list[Path]) -> None:
    comparison = comparison_of(runs)
    assert comparison_title(comparison) == "Scores on split 'val', 8 images; differences are to plain CAM"
    assert comparison_columns(comparison) == ("what", "plain CAM", "SSC", "difference")
    assert comparison_rows(comparison) == [
        ("mIoU %, seeds from the network", "37.5", "50.0", "+12.5"),
        ("mIoU %, seeds averaged over regions", "-", "30.0", "-"),
        ("mIoU %, pseudo masks", "50.0", "50.0", "+0.0"),
        ("mIoU %, segmenter", "-", "50.0", "-"),
        ("activation inside the object %, maps of the network", "50.0", "50.0", "+0.0"),
        ("object covered %, maps of the network", "25.0", "25.0", "+0.0"),
        ("activation inside the object %, maps averaged over regions", "-", "50.0", "-"),
        ("object covered %, maps averaged over regions", "-", "25.0", "-"),
        *[row for row in comparison_rows(comparison) if row[0].startswith("IoU")],
    ]
    labels = [row for row in comparison_rows(comparison) if row[0].startswith("IoU")]
    assert labels[:2] == [
        ("IoU % of background, pseudo masks", "50.0", "50.0", "+0.0"),
        ("IoU % of bullseye, pseudo masks", "50.0", "-", "-"),
    ]
    assert len(labels) == len(comparison.reports[0].label_names)


def test_runs_without_scores_have_an_empty_table() -> None:
    empty = Comparison(tuple(Report(name, "", "", ("background", "cat")) for name in ("a", "b")))
    assert comparison_rows(empty) == []
    assert comparison_title(empty) == "Nothing is scored yet"


def test_three_runs_each_have_a_difference_to_the_first(runs: list[Path], photos: Path, tmp_path: Path) -> None:
    third = make_run(tmp_path / "third", photos)
    (third / "scores.json").write_text((runs[1] / "scores.json").read_text())
    comparison = comparison_of([*runs, third])
    assert comparison_columns(comparison) == ("what", "base", "ssc", "difference", "third", "difference")
    assert comparison_rows(comparison)[0][1:] == ("37.5", "50.0", "+12.5", "50.0", "+12.5")


def test_runs_of_the_same_data_pass_wherever_it_lies(runs: list[Path]) -> None:
    for root in runs:
        write_data(root, "same", test_data={"fingerprint": "t", "bad_files": [], "bad_masks": []})
    assert len(comparison_of(runs).reports) == 2


def test_the_page_holds_both_runs(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "deep" / "compare.html"
    comparison = write_comparison(runs, out, count=2)
    text = out.read_text(encoding="utf-8")
    assert "plain CAM" in text and "SSC" in text
    assert shown(comparison)[0] == shown(comparison_of(runs, count=2))[0]
