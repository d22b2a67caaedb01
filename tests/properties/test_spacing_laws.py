"""Laws of the choice of a few things, evenly spaced over many."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tagseg.ops.spacing import evenly_spaced

TOTALS, COUNTS = st.integers(0, 1000), st.integers(1, 300)


@given(total=TOTALS, count=st.integers(-3, 1200))
def test_there_are_as_many_as_asked_for_and_each_once_in_its_order(total: int, count: int) -> None:
    chosen = evenly_spaced(range(total), count)
    assert len(chosen) == max(0, min(count, total))
    assert list(chosen) == sorted(set(chosen))
    assert set(chosen) <= set(range(total))


@given(total=TOTALS, count=COUNTS)
def test_gaps_between_neighbours_differ_by_at_most_one(total: int, count: int) -> None:
    chosen = evenly_spaced(range(total), count)
    gaps = {later - earlier for earlier, later in pairwise(chosen)}
    assert not gaps or max(gaps) - min(gaps) <= 1


@given(total=st.integers(1, 1000), count=COUNTS)
def test_both_ends_are_left_out_alike(total: int, count: int) -> None:
    chosen = evenly_spaced(range(total), count)
    before, behind = chosen[0], total - 1 - chosen[-1]
    assert 0 <= before - behind <= 1


@given(items=st.lists(st.text(), max_size=20), extra=st.integers(0, 5))
def test_all_are_taken_when_there_are_not_more(items: list[str], extra: int) -> None:
    assert evenly_spaced(items, len(items) + extra) == tuple(items)
