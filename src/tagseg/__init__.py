"""tagseg: photographs with image-level tags in, pixel masks and a trained network out."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tagseg.stages import Run, run

__all__ = ["Run", "run"]


def __getattr__(name: str) -> object:
    """Import the pipeline, and torch with it, when it is first asked for: worker processes often do without."""
    if name in __all__:
        from tagseg import stages

        return getattr(stages, name)
    raise AttributeError(f"module 'tagseg' has no attribute '{name}'")
