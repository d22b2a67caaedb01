"""The scores of a run: written and read back to the byte, older files with less in them, and files of other shapes."""

import json
from pathlib import Path
from typing import Any

import pytest
from kit.scores import ALL_SCORES

from tagseg.artifacts.run_scores import (
    SCORES_FORMAT,
    ActivationCut,
    ActivationScores,
    LabelScores,
    PartScores,
    RunScores,
    ScoredCut,
    SureSeedScores,
)
from tagseg.artifacts.scores_file import read_scores, scores_content, write_scores
from tagseg.errors import ArtifactError

UPPER_BOUND = {
    "format": 2,
    "seeds": None,
    "reason": "the segmenter learns from ground truth: there are no seeds",
    "segmenter": ALL_SCORES["segmenter"],
    "warnings": [],
}

SAMPLES = {
    "everything": ALL_SCORES,
    "no walk, no masks, no segmenter": {**ALL_SCORES, "sure_seeds": None, "pseudo_masks": None, "segmenter": None},
    "an upper bound": UPPER_BOUND,
    "nothing": {**UPPER_BOUND, "reason": "the data set has no masks to compare with", "segmenter": None},
    "corrected masks": {
        **{key: value for key, value in UPPER_BOUND.items() if key != "warnings"},
        "corrections": {
            "images": 2,
            "changed": 0.25,
            **{
                key: ALL_SCORES["segmenter"][key]
                for key in ("mean_iou", "precision", "recall", "pixel_accuracy", "iou")
            },
            "confusion": [[3, 1], [0, 2]],
        },
        "warnings": [],
    },
    "names in other letters": {**ALL_SCORES, "split": "prüfung", "classes": ["background", "Käfer 🐞"]},
}


def text_of(content: Any) -> str:
    """Return what has always been in the file."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read(content: Any, folder: Path) -> RunScores:
    path = folder / "scores.json"
    path.write_text(text_of(content), encoding="utf-8")
    found = read_scores(path)
    assert found is not None
    return found


@pytest.mark.parametrize("content", SAMPLES.values(), ids=SAMPLES.keys())
def test_what_is_read_is_written_back_to_the_byte(content: Any, tmp_path: Path) -> None:
    scores = read(content, tmp_path)
    write_scores(tmp_path / "again.json", scores)
    assert (tmp_path / "again.json").read_bytes() == text_of(content).encode()
    assert scores_content(scores) == content
    assert read_scores(tmp_path / "again.json") == scores


def test_every_part_has_its_name_and_its_type(tmp_path: Path) -> None:
    scores = read(ALL_SCORES, tmp_path)
    values = LabelScores(0.5, 0.25, None, 0.75, {"background": 0.5, "bullseye": None})
    assert (scores.format, scores.split, scores.images) == (SCORES_FORMAT, "val", 8)
    assert scores.classes == ("background", "bullseye")
    assert list(scores.seeds) == ["network", "averaged"]
    seeds = scores.seeds["network"]
    assert seeds.best == ScoredCut(0.4, LabelScores(0.5, 0.25, None, 0.75, values.iou))
    assert seeds.sweep == (seeds.at_recipe, seeds.best)
    shares = {"bullseye": ActivationScores(None, 0.0)}
    assert seeds.activation == ActivationCut(0.4, ActivationScores(0.5, 0.25), shares)
    assert seeds.confusion == ((3, 1), (0, 2))
    assert scores.sure_seeds == SureSeedScores(6, PartScores(0.625, values, ((1, 0), (0, 1))))
    made = scores.pseudo_masks
    assert made is not None
    assert (made.images, made.refine, made.background_rule, made.background_score) == (7, ("walk", "crf"), "auto", 0.3)
    assert (made.masks, made.confident) == (
        PartScores(1.0, values, ((5, 1), (0, 2))),
        PartScores(0.5, values, ((2, 1), (0, 2))),
    )
    tested = scores.segmenter
    assert tested is not None
    assert (tested.split, tested.images, tested.labels, tested.strategy) == ("test", 3, "pseudo", "confident")
    assert (tested.architecture, tested.learned_from_them, tested.scores) == ("deeplabv3plus", False, values)


def test_a_run_without_seeds_says_why(tmp_path: Path) -> None:
    scores = read(UPPER_BOUND, tmp_path)
    assert (scores.seeds, scores.sure_seeds, scores.pseudo_masks) == ({}, None, None)
    assert scores.reason == UPPER_BOUND["reason"]
    assert scores.segmenter is not None


def test_nothing_is_scored_yet(tmp_path: Path) -> None:
    assert read_scores(tmp_path / "scores.json") is None


def test_an_older_file_has_less_in_it(tmp_path: Path) -> None:
    best = {"background_score": 1, "mean_iou": 0, "iou": {"background": 0}}
    part = {"coverage": 1, "mean_iou": 0.5}
    made = {"background_score": 0.25, "masks": part, "confident": part, "best": best}
    scores = read({"seeds": {"network": {"best": best}}, "sure_seeds": part, "pseudo_masks": made}, tmp_path)
    assert scores.format == 1
    assert (scores.split, scores.images, scores.classes, scores.segmenter) == ("", 0, (), None)
    seeds = scores.seeds["network"]
    assert seeds.best == ScoredCut(1.0, LabelScores(0.0, iou={"background": 0.0}))
    assert isinstance(seeds.best.background_score, float) and isinstance(seeds.best.scores.mean_iou, float)
    assert (seeds.at_recipe, seeds.sweep, seeds.activation, seeds.confusion) == (None, (), None, None)
    assert scores.sure_seeds == SureSeedScores(None, PartScores(1.0, LabelScores(0.5)))
    found = scores.pseudo_masks
    assert found is not None
    assert (found.images, found.refine, found.background_rule, found.sweep) == (None, (), "fixed", ())


def changed(*keys: str, value: Any) -> dict[str, Any]:
    """Return scores with one value that is another one."""
    content = json.loads(json.dumps(ALL_SCORES))
    part = content
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    return content


@pytest.mark.parametrize(
    "content",
    [
        [],
        "scores",
        None,
        {"images": 3},
        {"seeds": [1]},
        {"seeds": {"averaged": {}}},
        changed("seeds", "network", "best", value=0.5),
        changed("seeds", "network", "best", "mean_iou", value="0.5"),
        changed("seeds", "network", "best", "iou", value=[0.5]),
        changed("seeds", "network", "confusion", value=3),
        changed("seeds", "blurred", value=ALL_SCORES["seeds"]["network"]),
        changed("pseudo_masks", "background_rule", value="guess"),
        changed("segmenter", value=["val"]),
        {"seeds": None, "corrections": {**SAMPLES["corrected masks"]["corrections"], "confusion": [[1]]}},
    ],
)
def test_a_file_of_another_shape_is_one_error(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError) as caught:
        read_scores(path)
    assert str(caught.value) == (
        f"{path} must be scores that tagseg wrote, got a file that cannot be read as such; "
        "delete it and run the stage evaluate again"
    )
