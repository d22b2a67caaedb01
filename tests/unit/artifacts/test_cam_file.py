from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagseg.artifacts.cam_file import CamFile, read_cam, write_cam
from tagseg.errors import ArtifactError

BOUND = {"uint8": 1 / 510, "float16": 2.0**-12}

cams = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 6)), elements=st.floats(0, 1, width=32)
)


@settings(max_examples=60, deadline=None)
@given(cam=cams, dtype=st.sampled_from(["uint8", "float16"]))
def test_a_value_that_is_read_back_is_within_the_stated_error(
    tmp_path_factory: pytest.TempPathFactory, cam: np.ndarray, dtype: str
) -> None:
    path = tmp_path_factory.mktemp("cam") / "photo.npz"
    write_cam(path, cam, tuple(range(1, len(cam) + 1)), dtype=dtype)  # pyright: ignore
    stored = read_cam(path)
    assert stored.cam.dtype == np.float32
    assert stored.cam.shape == cam.shape
    assert np.abs(stored.cam - cam).max(initial=0) <= BOUND[dtype] + 1e-7
    assert stored.cam.max(initial=0) <= 1


def test_the_stated_error_of_uint8_is_reached_so_it_is_no_smaller(tmp_path: Path) -> None:
    write_cam(tmp_path / "c.npz", np.full((1, 1, 1), 0.5 / 255, np.float32), (1,))
    assert abs(read_cam(tmp_path / "c.npz").cam.item() - 0.5 / 255) == pytest.approx(1 / 510, abs=1e-7)


@pytest.mark.parametrize("dtype", ["uint8", "float16"])
def test_what_was_read_is_written_again_without_further_loss(tmp_path: Path, dtype: str) -> None:
    cam = np.random.default_rng(0).random((2, 9, 7), dtype=np.float32)
    write_cam(tmp_path / "a.npz", cam, (3, 254), dtype=dtype)  # pyright: ignore
    stored = read_cam(tmp_path / "a.npz")
    write_cam(tmp_path / "b.npz", stored.cam, stored.label_ids, dtype=dtype)  # pyright: ignore
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert stored.label_ids == (3, 254)
    assert stored.size == (9, 7)


def test_an_image_without_tags_keeps_its_size_and_is_all_background(tmp_path: Path) -> None:
    write_cam(tmp_path / "c.npz", np.zeros((0, 4, 5), np.float32), ())
    stored = read_cam(tmp_path / "c.npz")
    assert (stored.size, stored.label_ids) == ((4, 5), ())
    assert stored.labels(0.0).tolist() == np.zeros((4, 5)).tolist()


def test_region_scores_come_back_and_are_asked_for_by_their_number(tmp_path: Path) -> None:
    path, scores = tmp_path / "a.npz", np.array([[0.25, 1.0, 0.0]], np.float32)
    write_cam(path, np.ones((1, 2, 2), np.float32), (3,), region_scores=scores)
    stored = read_cam(path)
    np.testing.assert_array_equal(stored.scores_of(3, path=path), scores)
    for wrong in (stored, CamFile(stored.cam, stored.label_ids)):
        with pytest.raises(ArtifactError, match="region scores where the image has 4 superpixels"):
            wrong.scores_of(4, path=path)


def test_region_scores_of_another_number_of_maps_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(
        path, cam=np.zeros((1, 2, 2), np.uint8), label_ids=np.array([3], np.uint8), region_scores=np.zeros((2, 4), "f2")
    )
    with pytest.raises(ArtifactError, match=r"region scores of type float16 and shape \(2, 4\) for 1 maps"):
        read_cam(path)


def test_labels_take_the_strongest_class_strictly_above_the_background_score() -> None:
    cam = np.array([[[0.2, 0.5, 0.7, 0.0]], [[0.1, 0.5, 0.9, 0.0]]], np.float32)
    maps = CamFile(cam, (2, 9))
    assert maps.labels(0.2).tolist() == [[0, 2, 9, 0]]
    assert maps.labels(0.0).tolist() == [[2, 2, 9, 0]]
    assert maps.labels(1.0).tolist() == [[0, 0, 0, 0]]
    assert maps.labels(0.2).dtype == np.uint8


def test_a_score_stored_as_a_whole_fraction_of_255_ties_with_the_same_background_score(tmp_path: Path) -> None:
    write_cam(tmp_path / "c.npz", np.array([[[0.2, 0.21]]], np.float32), (1,))  # 0.2 is 51 / 255
    assert read_cam(tmp_path / "c.npz").labels(0.2).tolist() == [[0, 1]]


def test_a_pickled_object_is_not_loaded(tmp_path: Path) -> None:
    with (tmp_path / "c.npz").open("wb") as file:
        np.savez(file, cam=np.array([{"run": "me"}], dtype=object), label_ids=np.array([1]))
    with pytest.raises(ArtifactError, match="must be a whole file written by tagseg"):
        read_cam(tmp_path / "c.npz")


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_an_artifact_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cam") / "photo.npz"
    cam = np.random.default_rng(1).random((2, 5, 4), dtype=np.float32)
    write_cam(path, cam, (1, 2))
    whole, content = read_cam(path), bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        stored = read_cam(path)
    except ArtifactError:
        return
    assert stored.label_ids == whole.label_ids
    assert np.array_equal(stored.cam, whole.cam)
