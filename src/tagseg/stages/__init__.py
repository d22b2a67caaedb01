"""The pipeline: its stages in order, and how a run goes through them."""

from tagseg.stages.pipeline import PIPELINE, Run, run, run_pipeline, run_with_baseline

__all__ = ["PIPELINE", "Run", "run", "run_pipeline", "run_with_baseline"]
