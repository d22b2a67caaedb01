"""Which device there is to work on, as torch sees it."""

import torch

from tagseg.errors import DeviceError


def choose_accelerator(accelerator: str) -> tuple[str, str]:
    """Resolve ``auto`` and check that the device is there.

    Returns:
        The accelerator and the reason for it, for the log.

    Raises:
        DeviceError: when the named accelerator is not available.

    >>> choose_accelerator("cpu")
    ('cpu', 'asked for')
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if accelerator == "auto":
        if available["cuda"]:
            return "cuda", "auto: a CUDA device is available"
        if available["mps"]:
            return "mps", "auto: Apple's GPU is available and no CUDA device"
        return "cpu", "auto: neither a CUDA device nor Apple's GPU is available"
    if not available[accelerator]:
        raise DeviceError(
            f"engine.accelerator '{accelerator}' needs such a device, got none that torch can use",
            help="set engine.accelerator=cpu or install a torch build for your device",
        )
    return accelerator, "asked for"
