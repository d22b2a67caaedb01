"""Drives a run: the stages in their order, what is done, what it costs, and the runs to compare with."""

from tagseg.pipeline.baselines import ComparedRuns, run_at_once, run_compared
from tagseg.pipeline.drive import run, run_pipeline
from tagseg.pipeline.finished_run import Run
from tagseg.pipeline.order import PIPELINE

__all__ = ["PIPELINE", "ComparedRuns", "Run", "run", "run_at_once", "run_compared", "run_pipeline"]
