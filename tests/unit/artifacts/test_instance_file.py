"""Object masks on disk: they come back as they were, and COCO's own tools read them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from tagseg.artifacts.instance_file import Instance, read_instances, write_instances
from tagseg.errors import ArtifactError

SIZE = (9, 14)


def objects(seed=0, num_objects=3):
    """Return objects that share the pixels of a 9 x 14 image among them, classes 2, 3, ..."""
    owners = np.random.default_rng(seed).integers(0, num_objects + 1, SIZE)
    return [Instance(2 + index, owners == index, 1 / (1 + index)) for index in range(num_objects)]


@settings(max_examples=40, deadline=None)
@given(
    masks=st.lists(hnp.arrays(bool, (5, 7)), max_size=4),
    label_ids=st.lists(st.integers(1, 254), min_size=4, max_size=4),
    score=st.floats(2**-20, 1),
)
def test_objects_come_back_in_their_order(tmp_path_factory, masks, label_ids, score):
    path = tmp_path_factory.mktemp("instances") / "photo.json"
    written = [Instance(label_id, mask, score) for label_id, mask in zip(label_ids, masks, strict=False)]
    write_instances(path, written)
    read = read_instances(path)
    assert [(each.label_id, each.score) for each in read] == [(each.label_id, each.score) for each in written]
    for one, other in zip(written, read, strict=True):
        assert other.mask.dtype == bool
        np.testing.assert_array_equal(one.mask, other.mask)


def test_an_image_without_objects_has_an_empty_list(tmp_path):
    write_instances(tmp_path / "photo.json", [])
    assert read_instances(tmp_path / "photo.json") == []
    assert json.loads((tmp_path / "photo.json").read_text()) == []


def test_a_sub_folder_of_an_image_id_is_made(tmp_path):
    write_instances(tmp_path / "cats" / "indoors" / "photo.json", objects())
    assert len(read_instances(tmp_path / "cats" / "indoors" / "photo.json")) == 3


def test_a_mirrored_view_is_written_as_it_looks(tmp_path):
    mask = np.arange(12).reshape(3, 4) % 5 == 0
    for name, view in {"flip": mask[:, ::-1], "transpose": mask.T, "part": mask[1:, ::2]}.items():
        write_instances(tmp_path / f"{name}.json", [Instance(1, view, 1.0)])
        np.testing.assert_array_equal(read_instances(tmp_path / f"{name}.json")[0].mask, view)


def test_the_same_objects_give_the_same_bytes(tmp_path):
    write_instances(tmp_path / "a.json", objects())
    write_instances(tmp_path / "b.json", objects())
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools
def test_cocos_tools_read_the_rows(tmp_path):
    written = objects()
    write_instances(tmp_path / "photo.json", written)
    rows = json.loads((tmp_path / "photo.json").read_text())
    truth: Any = COCO()  # typed with files on disk, takes rows too
    truth.dataset = {
        "info": {},
        "images": [{"id": 7, "height": SIZE[0], "width": SIZE[1]}],
        "categories": [{"id": label_id, "name": str(label_id)} for label_id in (2, 3, 4)],
        "annotations": [],
    }
    truth.createIndex()
    results = truth.loadRes([{**row, "image_id": 7} for row in rows])
    for instance, found in zip(written, results.loadAnns(results.getAnnIds(imgIds=[7])), strict=True):
        assert (found["category_id"], found["score"]) == (instance.label_id, instance.score)
        assert found["area"] == instance.mask.sum()
        np.testing.assert_array_equal(coco_mask.decode(found["segmentation"]) == 1, instance.mask)
        np.testing.assert_array_equal(results.annToMask(found) == 1, instance.mask)


def test_the_size_is_height_and_width(tmp_path):
    write_instances(tmp_path / "photo.json", objects())
    assert [row["segmentation"]["size"] for row in json.loads((tmp_path / "photo.json").read_text())] == [[9, 14]] * 3


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.99])
def test_a_cut_file_is_an_artifact_error(tmp_path: Path, share: float) -> None:
    path = tmp_path / "photo.json"
    write_instances(path, objects())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ArtifactError, match="must be a whole file written by tagseg"):
        read_instances(path)


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"category_id": 1, "score": 0.5},
        {"category_id": 1, "segmentation": {"size": [2, 2], "counts": "04"}},
        {"category_id": "cat", "score": 0.5, "segmentation": {"size": [2, 2], "counts": "04"}},
        {"category_id": 1, "score": 0.5, "segmentation": {"size": [2, 2], "counts": "\u00e9"}},
        {"category_id": 1, "score": 0.5, "segmentation": {"size": [2, 2], "counts": "09"}},
        {"category_id": 1, "score": 0.5, "segmentation": {"size": [2], "counts": "04"}},
        {"category_id": 1, "score": 0.5, "segmentation": {"size": [10**9, 10**9], "counts": "04"}},
        {"category_id": 1, "score": 0.5, "segmentation": {"size": [20_000, 20_000], "counts": [400_000_000]}},
        {"category_id": 1, "score": 0.5, "segmentation": {"size": [-2, -2], "counts": "04"}},
        {"category_id": 1, "score": 0.5, "segmentation": {"size": [2.5, 2], "counts": [5]}},
        {"category_id": 10**30, "score": 0.5, "segmentation": {"size": [2, 2], "counts": "04"}},
        {"category_id": 0, "score": 0.5, "segmentation": {"size": [2, 2], "counts": "04"}},
        {"category_id": 1.5, "score": 0.5, "segmentation": {"size": [2, 2], "counts": "04"}},
        {"category_id": 1, "score": float("nan"), "segmentation": {"size": [2, 2], "counts": "04"}},
        {"category_id": 1, "score": 1.5, "segmentation": {"size": [2, 2], "counts": "04"}},
    ],
    ids=[
        "empty",
        "no mask",
        "no score",
        "class name",
        "no run lengths",
        "runs past the end",
        "one side",
        "huge size",
        "too many pixels",
        "negative size",
        "half a pixel",
        "huge label",
        "background",
        "half a label",
        "no number",
        "score above 1",
    ],
)
def test_a_row_of_something_else_is_an_artifact_error(tmp_path, row):
    path = tmp_path / "photo.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(ArtifactError, match="must be a whole file written by tagseg"):
        read_instances(path)


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        '""',
        '[{"category_id": 1, "score": 1.0, "segmentation": {"size": [2, 2], "counts": "02"}}]',
        '[{"category_id": 1, "score": 1.0, "segmentation": {"size": [2, 2], "counts": ""}}]',
        '[{"category_id": 1, "score": 1.0, "segmentation": {"size": [1e999, 2], "counts": "04"}}]',
        '[{"category_id": 1, "score": 1.0, "segmentation": {"size": [2, 2], "counts": "04"}}, '
        '{"category_id": 1, "score": 1.0, "segmentation": {"size": [1, 4], "counts": "04"}}]',
        "[" * 100_000,
    ],
)
def test_what_is_no_list_of_whole_objects_is_refused(tmp_path, content):
    path = tmp_path / "photo.json"
    path.write_text(content)
    with pytest.raises(ArtifactError, match="must be a whole file written by tagseg"):
        read_instances(path)
