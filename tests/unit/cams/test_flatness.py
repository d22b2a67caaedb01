"""Maps that are high all over a picture: which classes have them, and what stands out of them."""

from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from tagseg.cams.batches import look
from tagseg.cams.class_photographs import photographs_by_class
from tagseg.cams.flatness import (
    FLAT_MEDIAN,
    PHOTOGRAPHS,
    flat_classes,
    lower_by_median,
    measure_medians,
)
from tagseg.cams.methods.cam import ClassActivation
from tagseg.classes import ClassTable
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier

MAPS = stnp.arrays(
    np.float32, st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 6)), elements=st.floats(0, 1, width=16)
)


def test_a_class_has_the_middle_of_the_medians_of_its_pictures(tmp_path: Path) -> None:
    write_dataset(tmp_path, num_images=7, size=(32, 48), seed=0)
    split = read_folder(tmp_path)
    torch.manual_seed(0)
    num_classes = split.classes.num_classes
    method = ClassActivation(TagClassifier(build_backbone("test_resnet", weights=None), num_classes=num_classes))
    seen = []
    of_classes = photographs_by_class(split.records, num_classes=num_classes, shown=True, most=PHOTOGRAPHS)
    of_classes[1] = ()
    found = measure_medians(method, of_classes, advance=seen.append)
    expected = [0.0] * num_classes
    for label in {*range(1, num_classes + 1)} - {2}:
        own = []
        for record in split.records:
            if label in record.tags:
                maps = look(method, record)[1]
                own.append(sorted(maps.cam[maps.label_ids.index(label)].ravel().tolist()))
        middles = [each[len(each) // 2] for each in own]
        expected[label - 1] = float(np.median(middles)) if middles else 0.0
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert any(found)
    assert len(seen) == len({record.image_id for records in of_classes for record in records})


def test_a_class_is_flat_above_the_limit_alone() -> None:
    classes = ClassTable(("cat", "pit", "stain"))
    assert flat_classes({"cat": FLAT_MEDIAN, "pit": FLAT_MEDIAN + 0.01}, classes) == {2: FLAT_MEDIAN + 0.01}
    assert flat_classes({}, classes) == {}


@given(cam=MAPS, data=st.data())
def test_half_of_a_lowered_map_is_background_and_the_order_of_the_rest_stays(
    cam: np.ndarray, data: st.DataObject
) -> None:
    flat = data.draw(st.lists(st.booleans(), min_size=len(cam), max_size=len(cam)))
    found = lower_by_median(cam, flat)
    assert found.dtype == np.float32 and found.shape == cam.shape
    for before, after, is_flat in zip(cam, found, flat, strict=True):
        if not is_flat:
            np.testing.assert_array_equal(after, before)
            continue
        assert np.isfinite(after).all() and after.min() == 0 and after.max() in (0, 1)
        assert np.count_nonzero(after == 0) > after.size / 2
        stands_out = before > sorted(before.ravel().tolist())[before.size // 2]
        assert (after.max() == 1) == stands_out.any()
        ranked = np.argsort(before[stands_out], kind="stable")
        assert (np.diff(after[stands_out][ranked]) >= 0).all()
    np.testing.assert_allclose(lower_by_median(found, flat), found, atol=1e-6)  # what is lowered stays
