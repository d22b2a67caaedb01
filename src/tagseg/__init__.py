"""tagseg: photographs with image-level tags in, pixel masks and a trained network out."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tagseg.prediction.segmenter import Prediction, Segmenter
    from tagseg.stages import Run, load, run

    __version__: str

__all__ = ["Prediction", "Run", "Segmenter", "load", "run"]


def __getattr__(name: str) -> object:
    """Import the pipeline, and torch with it, when it is first asked for: worker processes often do without."""
    if name in __all__:
        from tagseg import stages
        from tagseg.prediction import segmenter

        return getattr(segmenter if name in ("Prediction", "Segmenter") else stages, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("tagseg")
    raise AttributeError(f"module 'tagseg' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List what is imported when it is asked for, too."""
    return sorted({*globals(), *__all__, "__version__"})
