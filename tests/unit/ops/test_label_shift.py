"""The offset of the background logit: the share that it asks for comes out."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from tagseg.ops.label_shift import matching_offset


@given(count=st.integers(2, 200), share=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_the_share_comes_out_up_to_one_pixel(count: int, share: float, seed: int) -> None:
    margins = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    offset = matching_offset(margins, object_share=share, most=100.0)
    got = float((margins + offset < 0).float().mean())
    wanted = min(max(share, 1 / count), 1 - 1 / count)
    assert abs(got - wanted) <= 0.5 / count + 1e-6


def test_a_background_that_is_too_strong_gets_weaker() -> None:
    margins = torch.tensor([-2.0, 0.5, 1.5, 6.0])
    assert matching_offset(margins, object_share=0.5, most=9.0) == -1.0
    assert matching_offset(margins, object_share=0.25, most=9.0) == 0.75


def test_the_offset_has_a_bound() -> None:
    margins = torch.tensor([50.0, 60.0])
    assert matching_offset(margins, object_share=0.5, most=1.5) == -1.5
    assert matching_offset(-margins, object_share=0.5, most=1.5) == 1.5


def test_nothing_to_match_moves_nothing() -> None:
    assert matching_offset(torch.empty(0), object_share=0.5, most=1.0) == 0.0
    assert matching_offset(torch.ones(1), object_share=0.5, most=1.0) == 0.0
    for share in (0.0, 1.0):
        assert matching_offset(torch.tensor([1.0, 2.0]), object_share=share, most=1.0) == 0.0
