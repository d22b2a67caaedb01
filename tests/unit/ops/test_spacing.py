"""Known choices of a few things, evenly spaced over many."""

import pytest

from tagseg.ops.spacing import evenly_spaced


@pytest.mark.parametrize(
    ("total", "count", "chosen"),
    [
        (7, 3, (1, 3, 5)),
        (12, 4, (1, 4, 7, 10)),
        (10, 1, (5,)),
        (3, 2, (0, 2)),
        (4, 4, (0, 1, 2, 3)),
        (4, 20, (0, 1, 2, 3)),
        (4, 0, ()),
        (4, -1, ()),
        (0, 3, ()),
    ],
)
def test_the_middle_of_every_run_is_taken(total: int, count: int, chosen: tuple[int, ...]) -> None:
    assert evenly_spaced(range(total), count) == chosen
