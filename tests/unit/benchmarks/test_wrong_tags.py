import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "wrong_tags.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def tags() -> np.ndarray:
    tags = np.random.default_rng(5).random((400, 6)) < 0.2
    tags[np.arange(400), np.arange(400) % 6] = True  # every photograph has one
    return tags


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_so_many_tags_are_spoiled_and_no_photograph_loses_its_last(
    share: float, script: dict[str, Any], tags: np.ndarray
) -> None:
    before = tags.copy()
    given = script["spoil"](tags, share=share, seed=1)
    np.testing.assert_array_equal(tags, before)
    gone, come = tags & ~given, given & ~tags
    assert gone.sum() == round(share * tags.sum())
    assert given.any(axis=1).all()
    assert (come.sum(axis=1) <= gone.sum(axis=1)).all()
    assert 0.5 * gone.sum() < come.sum() < gone.sum()  # swapped with equal chance, and where it was the last
    np.testing.assert_array_equal(given, script["spoil"](tags, share=share, seed=1))
    assert (given != script["spoil"](tags, share=share, seed=2)).any()


def test_the_most_doubted_pairs_are_turned_over(script: dict[str, Any]) -> None:
    given = np.array([[True, False], [False, True]])
    mended = script["repaired"](given, np.array([[0.9, 0.1], [0.8, 0.2]]), count=2)
    assert mended.tolist() == [[False, False], [True, True]]
    assert given.tolist() == [[True, False], [False, True]]


def test_the_precision_of_a_perfect_and_of_a_constant_order(script: dict[str, Any]) -> None:
    wrong = np.array([[True, False], [False, False]])
    assert script["found_precision"](wrong * 1.0, wrong) == 1
    assert script["found_precision"](wrong * 0.0, wrong) == 0.25  # chance


def test_seeds_of_features_that_show_their_class_are_perfect(script: dict[str, Any]) -> None:
    ids = [f"p{n}" for n in range(12)]
    tags = np.zeros((12, 6), bool)
    tags[np.arange(12), np.arange(12) % 6] = True
    cells = {key: np.zeros((6, 4, 4), np.float16) for key in ids}
    truths = {}
    for n, key in enumerate(ids):
        cells[key][n % 6, :, 2:] = 1
        truths[key] = np.repeat(np.where(cells[key][n % 6] > 0, 1 + n % 6, 0).astype(np.uint8), 8, 0).repeat(8, 1)
    features = np.stack([cells[key].astype(np.float32).mean(axis=(1, 2)) for key in ids])
    of = {"ids": ids, "cells": cells, "truths": truths}
    score = script["seed_score"]
    weights, _ = script["fit"](features, tags)
    assert score(weights, tags, **of) > 0.9
    noisy = tags.copy()
    noisy[0] = np.roll(noisy[0], 1)
    assert score(weights, noisy, **of) < score(weights, tags, **of)
