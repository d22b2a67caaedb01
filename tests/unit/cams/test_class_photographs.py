"""Which photographs a class is measured on."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagseg.cams import flatness, level
from tagseg.cams.class_photographs import photographs_by_class
from tagseg.types import ImageRecord


@pytest.mark.parametrize(("shown", "most"), [(True, flatness.PHOTOGRAPHS), (False, level.PHOTOGRAPHS)])
@given(tags=st.lists(st.sets(st.integers(1, 3)), max_size=130))
def test_photographs_are_those_with_or_without_the_class_evenly_spaced(
    tags: list[set[int]], shown: bool, most: int
) -> None:
    records = [ImageRecord(str(i), Path(str(i)), tuple(sorted(each))) for i, each in enumerate(tags)]
    chosen = photographs_by_class(records, num_classes=3, shown=shown, most=most)
    for label, found in enumerate(chosen, start=1):
        fit = [record for record in records if (label in record.tags) is shown]
        assert len(found) == min(len(fit), most)
        assert [record for record in fit if record in found] == list(found)
