"""Which device is chosen, and why."""

import pytest
import torch

from tagseg.errors import DeviceError
from tagseg.training.accelerator import choose_accelerator


@pytest.fixture
def machine(monkeypatch):
    """Return a function that pretends which devices the machine has."""

    def pretend(*, cuda: bool = False, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("devices", "chosen", "reason"),
    [
        ({"cuda": True, "mps": True}, "cuda", "auto: a CUDA device is available"),
        ({"mps": True}, "mps", "auto: Apple's GPU is available and no CUDA device"),
        ({}, "cpu", "auto: neither a CUDA device nor Apple's GPU is available"),
    ],
)
def test_auto_takes_the_best_device_and_says_why(machine, devices, chosen, reason):
    machine(**devices)
    assert choose_accelerator("auto") == (chosen, reason)


@pytest.mark.parametrize("accelerator", ["cpu", "cuda", "mps"])
def test_a_named_accelerator_is_taken_when_it_is_there(machine, accelerator):
    machine(cuda=True, mps=True)
    assert choose_accelerator(accelerator) == (accelerator, "asked for")


@pytest.mark.parametrize("accelerator", ["cuda", "mps"])
def test_a_named_accelerator_that_is_not_there_is_no_silent_fallback(machine, accelerator):
    machine()
    with pytest.raises(DeviceError):
        choose_accelerator(accelerator)
