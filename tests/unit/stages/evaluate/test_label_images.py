"""Scores of seeds and pseudo masks, against sums over pixels in plain Python, on run folders made by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from kit.contexts import stage_context

from tagseg.artifacts.cam_file import write_cam
from tagseg.artifacts.mask_file import write_confidence, write_mask
from tagseg.artifacts.run_scores import LabelScores
from tagseg.artifacts.scores_file import read_scores
from tagseg.classes import VOID, ClassTable
from tagseg.errors import ArtifactError
from tagseg.progress import SilentProgress, Task
from tagseg.recipe import make_recipe
from tagseg.stages import evaluate
from tagseg.stages.evaluate.label_images import score_pseudo_masks, score_sure_seeds
from tagseg.types import ImageRecord, Split

CLASSES = ClassTable(("cat", "dog", "owl"))
NAMES = CLASSES.label_names
SIZE = (5, 7)
CUTS = (0.1, 0.3, 0.5)  # none of them is a step in which maps are stored


@dataclass(frozen=True)
class Truth:
    """Ground truth that is at hand."""

    labels: np.ndarray

    def read(self) -> np.ndarray:
        return self.labels


@dataclass(frozen=True)
class Made:
    """What the stages made of one image: seeds, pseudo mask, trusted pixels, and maps in steps of 1/255."""

    seeds: np.ndarray
    labels: np.ndarray
    trusted: np.ndarray
    steps: np.ndarray


TAGS = {"a": (1,), "b": (1, 2), "c": (2,), "d": (), "e": (1, 2)}
"""Owls are never tagged: their scores are not defined unless the truth shows one."""


def random_image(image_id):
    """Return ground truth, void in part, and what the stages made: right as often as not."""
    generator = np.random.default_rng(ord(image_id))
    tags = TAGS[image_id]
    truth = generator.choice([0, *tags, VOID], SIZE).astype(np.uint8)
    guesses = generator.choice([0, *tags], SIZE)
    labels = np.where(generator.random(SIZE) < 0.5, np.where(truth == VOID, 0, truth), guesses).astype(np.uint8)
    seeds = np.where(generator.random(SIZE) < 0.4, VOID, labels).astype(np.uint8)
    steps = generator.integers(0, 256, (len(tags), *SIZE))
    return truth, Made(seeds, labels, generator.random(SIZE) < 0.5, steps)


@pytest.fixture
def images():
    return {image_id: random_image(image_id) for image_id in TAGS}


def records(images, image_ids, *, without_truth=""):
    return tuple(
        ImageRecord(
            image_id,
            Path(f"{image_id}.png"),
            TAGS[image_id],
            None if image_id in without_truth else Truth(images[image_id][0]),
        )
        for image_id in image_ids
    )


def make_context(root, images, *settings, train="abc", evaluation: str | None = "bcde", without_truth="c"):
    """Return a run with files of all its images, by default walked, of which b and c are in both splits."""
    recipe = make_recipe(
        {
            "name": "small",
            "data": {"format": "folder", "root": "photos"},
            "self_modulation": {"enabled": False},
            "evaluation": {"background_scores": list(CUTS)},
        },
        list(settings),
    )
    splits = [
        Split(name, CLASSES, records(images, image_ids, without_truth=without_truth))
        for name, image_ids in (("train", train), ("eval", evaluation))
        if image_ids is not None
    ]
    context = stage_context("evaluate", recipe, root, splits[0], splits[1] if evaluation else None, progress=Counted())
    layout = context.folder
    for record in {record.image_id: record for split in splits for record in split.records}.values():
        made = images[record.image_id][1]
        write_mask(layout.pseudo_mask(record), made.labels, CLASSES)
        write_confidence(layout.confidence(record), made.trusted)
        cam = (made.steps / 255).astype(np.float32)
        write_cam(layout.refined_cam(record) if recipe.needs_affinity else layout.cam(record), cam, record.tags)
        if record.image_id in train:
            write_mask(layout.seeds(record), made.seeds, CLASSES)
    return context


class Counted(SilentProgress):
    """Keeps, for each piece of work, how much there was to do and how much was said to be done."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}

    @contextmanager
    def task(self, title: str, *, total: int, done: int = 0, unit: str = "images") -> Iterator[Task]:
        counts = self.counts[title] = [total, done]

        class Counter:
            def advance(self, count: int = 1, **fields: float) -> None:
                counts[1] += count

        yield Counter()


def counts_of(context) -> dict[str, list[int]]:
    assert isinstance(context.progress, Counted)
    return context.progress.counts


def slow_scores(pairs):
    """Return the scores of (predicted, true) pixels by counting each label's by itself, void left out."""
    known = [(int(predicted), int(true)) for predicted, true in pairs if true != VOID]
    iou = {}
    for label, name in enumerate(NAMES):
        both = sum(predicted == true == label for predicted, true in known)
        either = sum(label in pair for pair in known)
        iou[name] = both / either if either else None
    numbers = [value for value in iou.values() if value is not None]
    right = sum(predicted == true for predicted, true in known)
    right_class = sum(predicted == true != 0 for predicted, true in known)
    found, wanted = sum(predicted != 0 for predicted, _ in known), sum(true != 0 for _, true in known)
    return {
        "mean_iou": sum(numbers) / len(numbers) if numbers else None,
        "precision": right_class / found if found else None,
        "recall": right_class / wanted if wanted else None,
        "pixel_accuracy": right / len(known) if known else None,
        "iou": iou,
    }


def slow_confusion(pairs):
    """Return how often each true label meets each predicted one, void left out."""
    known = [(int(predicted), int(true)) for predicted, true in pairs if true != VOID]
    labels = range(len(NAMES))
    return tuple(tuple(known.count((predicted, true)) for predicted in labels) for true in labels)


def pixel_pairs(images, image_ids, predict, *, where=lambda made: np.ones(SIZE, bool)):
    """Return the (predicted, true) pixels of images, those in ``where`` only."""
    return [
        pair
        for image_id in image_ids
        for truth, made in [images[image_id]]
        for pair in zip(predict(made, TAGS[image_id])[where(made)], truth[where(made)], strict=True)
    ]


def share_known(images, image_ids, where):
    """Return the share of pixels with known truth that lie in ``where``."""
    known = [(truth != VOID, where(made)) for truth, made in (images[image_id] for image_id in image_ids)]
    return sum(int((a & b).sum()) for a, b in known) / sum(int(a.sum()) for a, _ in known)


def cut(made, tags, score):
    """Cut maps at a background score, pixel by pixel."""
    labels = np.zeros(SIZE, np.uint8)
    for row, column in np.ndindex(*SIZE):
        best = max(((step, -tag) for step, tag in zip(made.steps[:, row, column], tags, strict=True)), default=(0, 0))
        labels[row, column] = -best[1] if best[0] / 255 > score else 0
    return labels


def assert_scores(found: LabelScores, expected):
    for name in expected.keys() - {"iou"}:
        assert getattr(found, name) == pytest.approx(expected[name]), name
    assert found.iou == pytest.approx(expected["iou"])


MASKED = "bde"  # in the evaluation split, with ground truth: c has none


@pytest.mark.parametrize("refine", ['["walk"]', '["walk", "crf"]', "[]", '["pixel_adaptive"]'])
def test_pseudo_masks_are_scored_whole_and_where_they_are_trusted(tmp_path, images, refine):
    context = make_context(tmp_path, images, f"masks.refine={refine}", "masks.background_rule=auto")
    scores = score_pseudo_masks(context, background_score=0.125, rule="auto")
    assert scores is not None
    assert scores.images == 3
    assert scores.refine == tuple(context.recipe.masks.refine)
    assert (scores.background_rule, scores.background_score) == ("auto", 0.125)
    assert_scores(scores.masks.scores, slow_scores(pixel_pairs(images, MASKED, lambda made, tags: made.labels)))
    assert scores.masks.coverage == 1
    pairs = pixel_pairs(images, MASKED, lambda made, tags: made.labels, where=lambda made: made.trusted)
    assert_scores(scores.confident.scores, slow_scores(pairs))
    assert scores.confident.confusion == slow_confusion(pairs)
    whole = pixel_pairs(images, MASKED, lambda made, tags: made.labels)
    assert scores.masks.confusion == slow_confusion(whole) != slow_confusion(pairs)
    share = share_known(images, MASKED, lambda made: made.trusted)
    assert scores.confident.coverage == pytest.approx(share)
    assert scores.masks.scores.mean_iou != scores.confident.scores.mean_iou
    assert scores.masks.scores.iou["owl"] is None
    assert counts_of(context) == {"Scoring pseudo masks": [3, 3]}


@pytest.mark.parametrize(
    ("found", "rule"), [({}, "otsu"), ({"background_rule": "fixed"}, "fixed"), ({"background_rule": "auto"}, "auto")]
)
def test_the_rule_is_the_one_that_found_the_score(tmp_path, images, found, rule):
    settings = ["masks.refine=[]", "masks.background_rule=auto", "segmenter.enabled=false"]
    context = make_context(tmp_path, images, *settings)
    context.folder.mark_done("make_masks", "x", {"background_score": 0.125, **found})
    evaluate.run(context)
    scores = read_scores(context.folder.scores_path)
    assert scores is not None and scores.pseudo_masks is not None
    assert (scores.pseudo_masks.background_rule, scores.pseudo_masks.background_score) == (rule, 0.125)


@pytest.mark.parametrize("refine", ['["walk"]', "[]"])
def test_the_sweep_is_of_the_maps_that_the_masks_are_cut_from(tmp_path, images, refine):
    context = make_context(tmp_path, images, f"masks.refine={refine}")
    scores = score_pseudo_masks(context, background_score=0.25, rule="fixed")
    assert scores is not None
    expected = [
        slow_scores(pixel_pairs(images, MASKED, lambda made, tags, score=score: cut(made, tags, score)))
        for score in CUTS
    ]
    assert tuple(cut.background_score for cut in scores.sweep) == CUTS
    for point, wanted in zip(scores.sweep, expected, strict=True):
        assert_scores(point.scores, wanted)
    assert len({point["mean_iou"] for point in expected}) == 3
    assert scores.best == max(scores.sweep, key=lambda point: point.scores.mean_iou or 0)


def test_masks_of_the_asked_splits_only_are_scored(tmp_path, images):
    # Of the evaluation split's images with ground truth only b is trained on too.
    context = make_context(tmp_path, images, 'masks.splits=["train"]')
    for image_id in "de":
        context.folder.pseudo_mask(records(images, image_id)[0]).unlink()
    found = score_pseudo_masks(context, background_score=0.25, rule="fixed")
    assert found is not None
    assert found.images == 1
    assert_scores(found.masks.scores, slow_scores(pixel_pairs(images, "b", lambda made, tags: made.labels)))


def test_a_missing_pseudo_mask_is_an_error_not_a_better_score(tmp_path, images):
    context = make_context(tmp_path, images)
    context.folder.pseudo_mask(records(images, "d")[0]).unlink()
    with pytest.raises(ArtifactError, match=r"labels/d\.png must exist"):
        score_pseudo_masks(context, background_score=0.25, rule="fixed")


def test_masks_that_are_trusted_nowhere_have_no_scores(tmp_path, images):
    images = {name: (truth, replace(made, trusted=np.zeros(SIZE, bool))) for name, (truth, made) in images.items()}
    found = score_pseudo_masks(make_context(tmp_path, images), background_score=0.25, rule="fixed")
    assert found is not None
    confident = found.confident
    assert (confident.coverage, confident.scores.mean_iou, confident.scores.iou["cat"]) == (0, None, None)


def test_sure_seeds_are_scored_where_they_are_labelled(tmp_path, images):
    context = make_context(tmp_path, images, train="abcd", without_truth="c")
    write_mask(context.folder.seeds(records(images, "e")[0]), images["e"][1].seeds, CLASSES)
    found = score_sure_seeds(context)
    assert found is not None

    def labelled(made):
        return made.seeds != VOID

    # Of the training images, a is not to be scored and c has no ground truth; nothing learned from the seeds of e.
    assert found.images == 2
    pairs = pixel_pairs(images, "bd", lambda made, tags: made.seeds, where=labelled)
    assert_scores(found.labelled.scores, slow_scores(pairs))
    assert found.labelled.confusion == slow_confusion(pairs)
    assert found.labelled.coverage == pytest.approx(share_known(images, "bd", labelled))
    assert 0 < found.labelled.coverage < 1
    assert counts_of(context) == {"Scoring sure seeds": [2, 2]}


def test_images_without_seeds_are_left_out(tmp_path, images):
    context = make_context(tmp_path, images, train="abcd")
    context.folder.seeds(records(images, "b")[0]).unlink()
    found = score_sure_seeds(context)
    assert found is not None
    assert found.images == 1
    pairs = pixel_pairs(images, "d", lambda made, tags: made.seeds, where=lambda made: made.seeds != VOID)
    assert_scores(found.labelled.scores, slow_scores(pairs))


def test_a_recipe_that_does_not_walk_has_no_sure_seeds(tmp_path, images):
    # Seeds of an earlier recipe may still be there.
    assert score_sure_seeds(make_context(tmp_path / "a", images)) is not None
    assert score_sure_seeds(make_context(tmp_path / "b", images, 'masks.refine=["crf"]')) is None


@pytest.mark.parametrize(
    "options",
    [{"evaluation": None}, {"without_truth": "abcde"}, {"train": "a", "evaluation": "b"}],
    ids=["no split to score", "no ground truth", "other images"],
)
def test_nothing_to_compare_with_is_no_score(tmp_path, images, options):
    context = make_context(tmp_path, images, 'masks.splits=["train"]', **options)
    assert score_sure_seeds(context) is None
    assert score_pseudo_masks(context, background_score=0.25, rule="fixed") is None
