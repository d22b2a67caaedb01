"""tagseg: photographs with image-level tags in, pixel masks and a trained network out."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tagseg.pipeline import Run, run
    from tagseg.prediction.segmenter import Prediction, Segmenter
    from tagseg.use.activation_maps import ActivationMaps, activation_maps, load_classifier
    from tagseg.use.load import load

    __version__: str

__all__ = [
    "ActivationMaps",
    "Prediction",
    "Run",
    "Segmenter",
    "activation_maps",
    "load",
    "load_classifier",
    "run",
]

_HOMES = {
    "Prediction": "tagseg.prediction.result",
    "Segmenter": "tagseg.prediction.segmenter",
    "Run": "tagseg.pipeline",
    "run": "tagseg.pipeline",
    "activation_maps": "tagseg.use.activation_maps",
    "ActivationMaps": "tagseg.use.activation_maps",
    "load": "tagseg.use.load",
    "load_classifier": "tagseg.use.activation_maps",
}
"""Where each name lies: it is imported when it is used, and worker processes often do without."""


def __getattr__(name: str) -> object:
    """Import a public name, and torch with it, when it is first asked for."""
    if name in __all__:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from tagseg.system.own_version import own_version

        return own_version()
    raise AttributeError(f"module 'tagseg' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List what is imported when it is asked for, too."""
    return sorted({*globals(), *__all__, "__version__"})
