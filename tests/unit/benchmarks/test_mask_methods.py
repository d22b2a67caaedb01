"""What the table of refinements measures: on a small walked run, the masks that the pipeline made score the same."""

import json
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import pytest
from kit.small_run import NUM_IMAGES, run, small_recipe

from tagseg.artifacts.scores_file import read_scores
from tagseg.data.drawn_pictures import write_dataset

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))

from mask_methods import Asked, Step, arguments, crf_start, main, share, table, what_is_asked

WALKED = ("masks.refine=['walk','crf']", "masks.walk_share=0.5", "masks.crf_temperature=0.15", "affinity.epochs=1")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that walked, its CRF from a softmax."""
    root = tmp_path_factory.mktemp("methods")
    write_dataset(root / "photos", num_images=NUM_IMAGES, size=(64, 64), seed=3)
    run(small_recipe(root / "photos", root / "regions", *WALKED), root / "run")
    return root / "run"


def measure(finished: Path, out: Path, *words: str) -> dict[str, Any]:
    main([str(finished), "--out", str(out), *words])
    return json.loads(out.read_text())


def test_the_row_of_the_run_has_the_cut_and_the_scores_of_its_pseudo_masks(finished: Path, tmp_path: Path) -> None:
    found = measure(finished, tmp_path / "found.json", "--shares", "0", "0.5", "1", "--crf-starts", "labels", "0.15")
    rows = {(row["maps"], row["walk_share"], tuple(row["steps"]), row["crf_temperature"]): row for row in found["rows"]}
    assert len(rows) == len(found["rows"]) == 2 * 3 * 5  # maps, shares, and steps with both starts of the CRF
    scores = read_scores(finished / "scores.json")
    assert scores is not None and scores.pseudo_masks is not None
    made, own = scores.pseudo_masks, rows["averaged", 0.5, ("walk", "crf"), 0.15]
    assert own["background_score"] == pytest.approx(made.background_score, abs=1e-9)
    assert own["mean_iou"] == pytest.approx(made.masks.scores.mean_iou, abs=1e-6)
    assert own["precision"] == pytest.approx(made.masks.scores.precision, abs=1e-6)
    walked = rows["averaged", 0.5, ("walk",), None]
    assert walked["best_mean_iou"] == pytest.approx(made.best.scores.mean_iou, abs=1e-6)
    for kind, seeds in scores.seeds.items():  # a share of 0 leaves the maps as they are
        alone = rows[kind, 0.0, (), None]
        assert (alone["best_background_score"], alone["best_mean_iou"]) == (
            seeds.best.background_score,
            seeds.best.scores.mean_iou,
        )
    cuts = {rows["averaged", part, ("walk",) if part else (), None]["background_score"] for part in (0.0, 0.5, 1.0)}
    assert len(cuts) == 3  # each has the cut that the rule finds on its own maps
    other = rows["averaged", 0.5, ("walk", "crf"), None]
    assert (other["background_score"], other["mean_iou"] != own["mean_iou"]) == (own["background_score"], True)
    assert (found["images"], found["split"], found["every"]) == (scores.images, scores.split, 1)
    assert found["processor"] and found["torch"] and found["commit"]
    assert found["affinity_training_minutes"] >= 0


def test_without_options_share_and_start_are_those_of_the_run(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = measure(finished, tmp_path / "found.json", "--every", "4", "--maps", "network", "--steps", "none", "crf")
    assert found["images"] == NUM_IMAGES // 4
    assert [(row["walk_share"], row["steps"], row["crf_temperature"]) for row in found["rows"]] == [
        (0.0, [], None),
        (0.0, ["crf"], 0.15),
        (0.5, ["walk"], None),
        (0.5, ["walk", "crf"], 0.15),
    ]
    printed = capsys.readouterr().out
    assert f"{NUM_IMAGES // 4} images of" in printed
    assert table(found["rows"]) in printed
    assert "| network | 0.5 | walk, crf of softmax, 0.15 | " in printed
    assert "| network | 0 | nothing | " in printed


def test_what_is_named_twice_is_measured_once(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, tmp_path)
    words = ["run", "--shares", "1", "0", "1", "--steps", "crf", "crf", "--crf-starts", "labels", "0.4", "0.40"]
    asked = what_is_asked(arguments(words), recipe)
    assert asked == Asked(recipe.cams.kinds, (1.0, 0.0), (Step("crf"), Step("crf", 0.4)))


@pytest.mark.parametrize("text", ["-0.1", "1.5", "nan"])
def test_a_share_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=rf"a share lies in \[0, 1\], got {text}"):
        share(text)


@pytest.mark.parametrize("text", ["scores", "0", "-1", "nan"])
def test_another_start_of_the_crf_is_refused(text: str) -> None:
    with pytest.raises(
        ArgumentTypeError, match=f"the CRF starts from 'labels' or has a temperature above 0, got {text}"
    ):
        crf_start(text)
