"""cuDNN's plans are left out where images have many sizes, and come back."""

import pytest
from torch.backends import cudnn

from tagseg.models.convolutions import MOST_PLANNED, convolutions_of


@pytest.mark.parametrize(("sizes", "planned"), [(0, True), (MOST_PLANNED, True), (MOST_PLANNED + 1, False)])
def test_many_sizes_are_convolved_without_plans(sizes: int, planned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cudnn, "enabled", True)
    with convolutions_of(sizes):
        assert cudnn.enabled == planned
    assert cudnn.enabled


def test_a_user_who_switched_cudnn_off_keeps_it_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cudnn, "enabled", False)
    with convolutions_of(1):
        assert not cudnn.enabled
    assert not cudnn.enabled


def test_it_comes_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cudnn, "enabled", True)
    with pytest.raises(ValueError, match="broken"), convolutions_of(100):
        raise ValueError("broken")
    assert cudnn.enabled
