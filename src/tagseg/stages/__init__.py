"""The pipeline: its stages in order, and how a run goes through them."""

from tagseg.stages.companions import ComparedRuns, run_compared
from tagseg.stages.load_segmenter import load
from tagseg.stages.order import PIPELINE
from tagseg.stages.pipeline import Run, run, run_pipeline

__all__ = ["PIPELINE", "ComparedRuns", "Run", "load", "run", "run_compared", "run_pipeline"]
