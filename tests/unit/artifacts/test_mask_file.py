from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from tagseg.artifacts.mask_file import read_confidence, read_mask, write_confidence, write_mask
from tagseg.classes import VOC_CLASSES, ClassTable
from tagseg.errors import ArtifactError

VOC = ClassTable(tuple(VOC_CLASSES))


@settings(max_examples=40, deadline=None)
@given(
    labels=hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 7), st.integers(1, 7)),
        elements=st.sampled_from([*range(VOC.num_labels), 255]),
    )
)
def test_label_ids_come_back(tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("mask") / "photo.png"
    write_mask(path, labels, VOC)
    assert np.array_equal(read_mask(path), labels)


def test_every_viewer_shows_vocs_colours(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.png", np.array([[0, 1, 15, 255]], np.uint8), VOC)
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "P"
        colours = np.array(image.convert("RGB"))[0].tolist()
    assert colours == [[0, 0, 0], [128, 0, 0], [192, 128, 128], [224, 224, 192]]


def test_a_transposed_view_is_written_as_it_looks(tmp_path: Path) -> None:
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3).T
    write_mask(tmp_path / "m.png", labels, VOC)
    assert read_mask(tmp_path / "m.png").tolist() == [[0, 3], [1, 4], [2, 5]]


def test_the_same_mask_gives_the_same_bytes(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 21, (30, 40), dtype=np.uint8)
    write_mask(tmp_path / "a.png", labels, VOC)
    write_mask(tmp_path / "b.png", labels, VOC)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("cut", [0, 1, 8, 20, 60, 900])
def test_a_cut_file_is_an_artifact_error(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "m.png"
    write_mask(path, np.random.default_rng(0).integers(0, 21, (30, 40), dtype=np.uint8), VOC)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArtifactError, match="must be a whole PNG file"):
        read_mask(path)


@settings(max_examples=40, deadline=None)
@given(trusted=hnp.arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 19))))
def test_trusted_pixels_come_back(tmp_path_factory: pytest.TempPathFactory, trusted: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("confidence") / "photo.png"
    write_confidence(path, trusted)
    read = read_confidence(path)
    assert read.dtype == bool
    assert np.array_equal(read, trusted)


def test_every_viewer_shows_trusted_pixels_white(tmp_path: Path) -> None:
    write_confidence(tmp_path / "m.png", np.array([[True, False, True]]))
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "1"
        assert np.array(image.convert("RGB"))[0].tolist() == [[255] * 3, [0] * 3, [255] * 3]


def test_a_mirrored_confidence_mask_is_written_as_it_looks(tmp_path: Path) -> None:
    trusted = np.arange(12).reshape(3, 4) % 5 == 0
    for name, view in {"flip": trusted[:, ::-1], "transpose": trusted.T, "part": trusted[1:, ::2]}.items():
        write_confidence(tmp_path / f"{name}.png", view)
        assert np.array_equal(read_confidence(tmp_path / f"{name}.png"), view)


def test_the_same_confidence_mask_gives_the_same_bytes(tmp_path: Path) -> None:
    trusted = np.random.default_rng(0).random((30, 40)) < 0.5
    write_confidence(tmp_path / "a.png", trusted)
    write_confidence(tmp_path / "b.png", trusted)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").stat().st_size < 30 * 40  # a byte a pixel would be eight times as much


@pytest.mark.parametrize("cut", [0, 1, 8, 20, 60, 120])
def test_a_cut_confidence_mask_is_an_artifact_error(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "m.png"
    write_confidence(path, np.random.default_rng(0).random((30, 40)) < 0.5)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArtifactError, match="must be a whole PNG file"):
        read_confidence(path)
