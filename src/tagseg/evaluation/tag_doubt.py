"""How much classifiers that did not see an image doubt its tags.

Axes: N images, C classes, D features.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int
from numpy import ndarray
from torch.nn import functional

RIDGE = 0.1
"""Weight of ``|w|^2 / 2`` against the mean cross-entropy of a class; features have variance 1."""

_LBFGS_STEPS = 60


class HeldOut(NamedTuple):
    """What is said of each image by the classifiers that learned from the other folds.

    Args:
        probabilities: (N, C) of each class being shown, in [0, 1].
        folds: (N) the fold that an image is in, from 0.
        weights: (folds, C, D) of features as they are given.
        biases: (folds, C).
    """

    probabilities: Float32[ndarray, "N C"]
    folds: Int[ndarray, " N"]
    weights: Float32[ndarray, "F C D"]
    biases: Float32[ndarray, "F C"]


def held_out(features: Float32[ndarray, "N D"], tags: Bool[ndarray, "N C"], *, folds: int, seed: int) -> HeldOut:
    """Fit one logistic regression a class and fold, and ask each about the images that it has not seen.

    Args:
        features: of frozen networks, finite.
        tags: of the images.
        folds: 2 or more, at most N.
        seed: of the drawing of folds.
    """
    place = fold_of_each(tags, folds=folds, seed=seed)
    probabilities = np.empty(tags.shape, np.float32)
    weights = np.empty((folds, tags.shape[1], features.shape[1]), np.float32)
    biases = np.empty((folds, tags.shape[1]), np.float32)
    for fold in range(folds):
        seen = place != fold
        weights[fold], biases[fold] = fit(features[seen], tags[seen])
        logits = features[~seen] @ weights[fold].T + biases[fold]
        probabilities[~seen] = 1 / (1 + np.exp(-logits.clip(-60, 60)))
    return HeldOut(probabilities, place, weights, biases)


def fit(
    features: Float32[ndarray, "M D"], tags: Bool[ndarray, "M C"]
) -> tuple[Float32[ndarray, "C D"], Float32[ndarray, " C"]]:
    """Return weights and biases of one logistic regression a class, of features as they are given.

    It learns from features of mean 0 and variance 1 over these images, with :data:`RIDGE`.
    """
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    fitted, bias = _fit((features - mean) / spread, tags)
    weights = fitted / spread
    return weights, bias - weights @ mean


def doubts(probabilities: Float32[ndarray, "N C"], tags: Bool[ndarray, "N C"]) -> Float32[ndarray, "N C"]:
    """Return how much each tag, and each missing tag, is doubted: 1 less the probability of what it says.

    ``1 - p`` where the class is tagged, ``p`` where it is not.

    Source: the self-confidence of confident learning (Northcutt, Jiang and Chuang, JAIR 2021), class by
    class; cleanlab calls 1 less this the label quality of a class.

    >>> doubts(np.array([[0.75, 0.25]], np.float32), np.array([[True, False]])).tolist()
    [[0.25, 0.25]]
    """
    return np.where(tags, 1 - probabilities, probabilities)


def fold_of_each(tags: Bool[ndarray, "N C"], *, folds: int, seed: int) -> Int[ndarray, " N"]:
    """Return a fold for each image, so that the images of each rare class are spread over all folds.

    Images are shuffled, sorted by their rarest class, and dealt out in turn.
    """
    order = np.random.default_rng(seed).permutation(len(tags))
    counts = tags.sum(axis=0)
    rarity = np.where(tags, counts, len(tags) + 1)
    rarest = np.where(tags.any(axis=1), rarity.argmin(axis=1), tags.shape[1])
    order = order[np.argsort(rarest[order], kind="stable")]
    place = np.empty(len(tags), np.int64)
    place[order] = np.arange(len(tags)) % folds
    return place


def _fit(
    features: Float32[ndarray, "M D"], tags: Bool[ndarray, "M C"]
) -> tuple[Float32[ndarray, "C D"], Float32[ndarray, " C"]]:
    """Return weights and biases of least cross-entropy with :data:`RIDGE`."""
    inputs, wanted = torch.from_numpy(features).double(), torch.from_numpy(tags).double()
    with torch.enable_grad():
        weights = torch.zeros(tags.shape[1], features.shape[1], dtype=torch.float64, requires_grad=True)
        biases = torch.zeros(tags.shape[1], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([weights, biases], max_iter=_LBFGS_STEPS, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            logits = functional.linear(inputs, weights, biases)
            value = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(dim=0).sum()
            value = value + RIDGE / 2 * weights.square().sum()
            value.backward()
            return value

        optimizer.step(loss)
    return weights.detach().numpy().astype(np.float32), biases.detach().numpy().astype(np.float32)
