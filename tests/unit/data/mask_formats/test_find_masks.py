"""What the writers of label formats leave comes back as it was: every format, as corrections and as ground truth."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from kit.labelled_images import CLASSES, label_maps, without_void, write_images

from tagseg.classes import ClassTable
from tagseg.data.corrections import corrected_photographs, read_corrections
from tagseg.data.layouts.folder import read_folder
from tagseg.types import ImageRecord, Split
from tagseg.use.label_files import LABEL_FORMATS, POLYGONS, TOLERANCE_PX

OWN_CLASSES = [format for format in LABEL_FORMATS if not format.startswith("voc-server")]
NAMES = ("größe", "cat", 'dog & "co"')
"""The classes of a run in another order than those of the files."""

_TO_RUN = np.array([0, 2, 3, 1, *range(4, 255), 255], np.uint8)
"""The label ids of the run by those of the files."""


def run_split(root: Path) -> Split:
    """Return the photographs that were exported, as a run knows them."""
    photographs = {path.relative_to(root / "photographs"): path for path in (root / "photographs").rglob("*.*")}
    records = [ImageRecord(str(name.with_suffix("")), path, (1,)) for name, path in sorted(photographs.items())]
    return Split("train", ClassTable(NAMES), tuple(records))


def expected(format: str) -> dict[str, np.ndarray]:
    """Return what a format holds of the labels, as the run has them; polygons say nothing of what is void."""
    holds_void = format in ("voc", "ids", "yolo-masks", "cvat", "huggingface")
    maps = {name: labels if holds_void else without_void(labels) for name, labels in label_maps().items()}
    return {name: _TO_RUN[labels] for name, labels in maps.items()}


@pytest.mark.parametrize("format", OWN_CLASSES)
def test_an_export_comes_back_as_corrections(tmp_path: Path, format: str) -> None:
    out, _ = write_images(tmp_path, LABEL_FORMATS[format])
    split = run_split(tmp_path)
    assert corrected_photographs(out, split) == {"a", "deep/images/b & c", "empty"}
    found = {record.image_id: record.mask for record in read_corrections(out, split).records}
    for name, labels in expected(format).items():
        mask = found[name]
        assert mask is not None
        np.testing.assert_array_equal(mask.read(), labels, err_msg=name)


@pytest.mark.parametrize("format", POLYGONS)
def test_polygons_of_the_default_tolerance_come_back_at_99_percent(tmp_path: Path, format: str) -> None:
    rows, columns = np.indices((320, 400))
    labels = np.zeros((320, 400), np.uint8)
    labels[(rows - 160) ** 2 + (columns - 180) ** 2 < 140**2] = 1
    labels[(rows - 160) ** 2 + (columns - 180) ** 2 < 60**2] = 0
    labels[(columns > 180 + rows // 9) & (labels == 1)] = 2
    out, _ = write_images(tmp_path, LABEL_FORMATS[format], maps={"round": labels}, tolerance_px=TOLERANCE_PX)
    (record,) = read_corrections(out, run_split(tmp_path)).records
    assert record.mask is not None
    read, wanted = record.mask.read(), _TO_RUN[labels]
    for label in (0, 2, 3):
        both, either = np.sum((read == label) & (wanted == label)), np.sum((read == label) | (wanted == label))
        assert both / either >= 0.99


def test_an_unpacked_archive_of_cvat_is_read_alike(tmp_path: Path) -> None:
    out, _ = write_images(tmp_path, LABEL_FORMATS["cvat"])
    split = run_split(tmp_path)
    packed = read_corrections(out / "segmentation_mask.zip", split)
    with zipfile.ZipFile(out / "segmentation_mask.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert read_corrections(tmp_path / "unpacked", split).fingerprint == packed.fingerprint


@pytest.mark.parametrize("format", OWN_CLASSES)
def test_an_export_is_ground_truth_of_the_folder_layout(tmp_path: Path, format: str) -> None:
    out, _ = write_images(tmp_path, LABEL_FORMATS[format])
    photographs = tmp_path / "photographs"
    tags = {"a.jpg": "cat", "deep/images/b & c.png": "größe;dog & ''co''", "empty.png": ""}
    (tmp_path / "tags.csv").write_text(
        "image,tags\n" + "".join(f"{name},{row}\n" for name, row in tags.items()).replace("''", '"')
    )
    (photographs / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES.names))
    place = {"voc": out / "SegmentationClass", "ids": out / "masks"}.get(format, out)
    split = read_folder(photographs, tags=tmp_path / "tags.csv", masks=place)
    found = {record.image_id: record.mask for record in split.records}
    back = np.argsort(_TO_RUN).astype(np.uint8)
    for name, labels in expected(format).items():
        mask = found[name]
        assert mask is not None
        np.testing.assert_array_equal(mask.read(), back[labels], err_msg=name)


def test_a_folder_for_hugging_face_is_a_data_set_again(tmp_path: Path) -> None:
    out, maps = write_images(tmp_path, LABEL_FORMATS["huggingface"])
    split = read_folder(out / "train")
    assert split.classes.names == CLASSES.names
    for record in split.records:
        labels = maps[record.image_id]
        assert record.mask is not None
        np.testing.assert_array_equal(record.mask.read(), labels)
        assert set(record.tags) == set(np.unique(labels).tolist()) - {0, 255}


def test_one_of_two_masks_is_not_chosen_in_silence(tmp_path: Path) -> None:
    out, _ = write_images(tmp_path, LABEL_FORMATS["labelme"])
    shutil.copy(out / "a.json", out / "a.jpg.json")
    with pytest.raises(Exception, match="is the only one of its photograph"):
        read_corrections(out, run_split(tmp_path))
