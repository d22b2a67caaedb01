import numpy as np
import pytest

from tagseg.evaluation.tag_doubt import doubts, fold_of_each, held_out
from tagseg.evaluation.tag_precision import tag_average_precision


def scene(seed: int, *, images: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Return features in which three classes lie in directions of their own, and the true tags."""
    random = np.random.default_rng(seed)
    tags = random.random((images, 3)) < (0.5, 0.3, 0.2)
    features = random.normal(size=(images, 24)) + 4 * tags @ np.eye(3, 24)
    return features.astype(np.float32), tags


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_tags_that_were_turned_over_are_found(share: float) -> None:
    features, tags = scene(0)
    turned = np.random.default_rng(1).random(tags.shape) < share
    given = tags ^ turned
    found = held_out(features, given, folds=5, seed=0)
    ranked = doubts(found.probabilities, given)
    (precision,) = tag_average_precision(ranked.reshape(-1, 1), turned.reshape(-1, 1))
    assert precision > 0.6 > 5 * share  # chance is the share


def test_no_image_is_judged_by_a_classifier_that_learned_from_it() -> None:
    features, tags = scene(2, images=40)
    before = held_out(features, tags, folds=4, seed=0)
    other = tags.copy()
    other[7] = ~other[7]
    place = before.folds.copy()
    after = held_out(features, other, folds=4, seed=0)
    if (after.folds == place).all():
        np.testing.assert_array_equal(after.probabilities[7], before.probabilities[7])
    same = held_out(features, tags, folds=4, seed=0)
    np.testing.assert_array_equal(same.probabilities, before.probabilities)


def test_weights_are_of_the_features_as_they_are_given() -> None:
    features, tags = scene(3, images=60)
    found = held_out(100 * features + 7, tags, folds=3, seed=0)
    logits = np.einsum("nd,ncd->nc", 100 * features + 7, found.weights[found.folds]) + found.biases[found.folds]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), found.probabilities, atol=1e-3)


def test_a_rare_class_is_in_every_fold() -> None:
    tags = np.zeros((50, 2), bool)
    tags[:, 0] = True
    tags[[3, 9, 20, 33, 41], 1] = True
    place = fold_of_each(tags, folds=5, seed=0)
    assert sorted(place[tags[:, 1]].tolist()) == [0, 1, 2, 3, 4]
    assert np.bincount(place).tolist() == [10] * 5


def test_the_doubt_is_one_less_cleanlabs_quality() -> None:
    rank = pytest.importorskip("cleanlab.multilabel_classification.rank", reason="cleanlab is installed by hand")
    features, tags = scene(4)
    found = held_out(features, tags, folds=5, seed=0)
    named = [np.flatnonzero(row).tolist() for row in tags]
    quality = rank.get_label_quality_scores_per_class(named, found.probabilities, method="self_confidence")
    np.testing.assert_allclose(doubts(found.probabilities, tags), 1 - quality, atol=1e-6)
