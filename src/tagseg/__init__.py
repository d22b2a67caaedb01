"""tagseg: photographs with image-level tags in, pixel masks and a trained network out."""

from tagseg.stages import Run, run

__all__ = ["Run", "run"]
