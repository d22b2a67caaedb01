from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagseg.artifacts.probability_file import read_probabilities, write_probabilities
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError

CLASSES = ClassTable(("cat", "Stra\u00dfe \u732b"))


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=0))
    return (raised / raised.sum(axis=0)).astype(np.float32)


def random_probabilities(seed: int, size: tuple[int, int] = (5, 4)) -> np.ndarray:
    return softmax(3 * np.random.default_rng(seed).standard_normal((3, *size)))


@settings(max_examples=60, deadline=None)
@given(
    logits=hnp.arrays(
        np.float64,
        st.tuples(st.just(3), st.integers(1, 6), st.integers(1, 6)),
        elements=st.floats(-30, 30),
    ),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_a_value_that_is_read_back_is_within_the_stated_error(
    tmp_path_factory: pytest.TempPathFactory, logits: np.ndarray, dtype: type
) -> None:
    path = tmp_path_factory.mktemp("probabilities") / "photo.npz"
    probabilities = softmax(logits).astype(dtype)
    write_probabilities(path, probabilities, CLASSES)
    stored = read_probabilities(path)
    assert stored.label_names == ("background", "cat", "Stra\u00dfe \u732b")
    assert stored.probabilities.dtype == np.float32
    assert np.abs(stored.probabilities - probabilities).max() <= 1 / 510 + (1e-6 if dtype != np.float16 else 1e-3)
    assert np.abs(stored.probabilities.sum(axis=0) - 1).max() <= 3 / 510 + 2e-3


def test_the_file_is_what_it_says_to_other_programs(tmp_path: Path) -> None:
    write_probabilities(tmp_path / "p.npz", np.array([[[0.4]], [[0.6]], [[0.0]]], np.float32), CLASSES)
    with np.load(tmp_path / "p.npz", allow_pickle=False) as content:
        assert content["probabilities"].dtype == np.uint8
        assert content["probabilities"].tolist() == [[[102]], [[153]], [[0]]]
        assert content["label_names"].tolist() == ["background", "cat", "Stra\u00dfe \u732b"]


def test_the_same_values_give_the_same_bytes_and_lose_nothing_more(tmp_path: Path) -> None:
    write_probabilities(tmp_path / "a.npz", random_probabilities(0), CLASSES)
    write_probabilities(tmp_path / "b.npz", read_probabilities(tmp_path / "a.npz").probabilities, CLASSES)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_pickled_object_is_not_loaded(tmp_path: Path) -> None:
    with (tmp_path / "p.npz").open("wb") as file:
        np.savez(file, probabilities=np.zeros((1, 1, 1), np.uint8), label_names=np.array([{"run": "me"}], object))
    with pytest.raises(ArtifactError, match="must be a whole file written by tagseg"):
        read_probabilities(tmp_path / "p.npz")


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_an_artifact_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("probabilities") / "photo.npz"
    write_probabilities(path, random_probabilities(1), CLASSES)
    whole, content = read_probabilities(path), bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        stored = read_probabilities(path)
    except ArtifactError:
        return
    assert stored.label_names == whole.label_names
    assert np.array_equal(stored.probabilities, whole.probabilities)


@pytest.mark.parametrize(
    "content",
    [
        {"probabilities": np.zeros((2, 1, 1), np.float32), "label_names": np.array(["background", "cat"])},
        {"probabilities": np.zeros((2, 1), np.uint8), "label_names": np.array(["background", "cat"])},
        {"probabilities": np.zeros((2, 1, 1), np.uint8), "label_names": np.array(["background"])},
        {"probabilities": np.zeros((2, 1, 1), np.uint8), "label_names": np.array([0, 1])},
        {"probabilities": np.zeros((1, 1, 1), np.uint8), "label_names": np.array("background")},
        {"probabilities": np.zeros((1, 1, 1), np.uint8)},
        {"cam": np.zeros((1, 1, 1), np.uint8), "label_ids": np.array([1], np.uint8)},
    ],
    ids=["floats", "flat", "one name too few", "numbers for names", "no list of names", "no names", "maps"],
)
def test_arrays_of_something_else_are_an_artifact_error(tmp_path: Path, content: dict[str, np.ndarray]) -> None:
    with (tmp_path / "p.npz").open("wb") as file:
        np.savez(file, **content)
    with pytest.raises(ArtifactError, match="must be a whole file written by tagseg"):
        read_probabilities(tmp_path / "p.npz")
