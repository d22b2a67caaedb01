"""A manifest and scores such as a run leaves, for whoever damages them."""

from pathlib import Path

from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.run_scores import LabelScores, RunScores, ScoredCut, SeedScores, SegmenterScores
from tagseg.artifacts.scores_file import write_scores


def save_run(path: Path) -> None:
    """Write the manifest of a run with one finished stage, under any name."""
    run = RunFolder(path.parent)
    run.mark_started("extract_cams", "abc")
    run.note_time("extract_cams", 2.5)
    run.note_warning("a", stage="extract_cams")
    run.note_warning("b")
    warned = {"mask_warnings": ["a"], "floods": ["b"], "background_rule": "auto", "corrected": 2}
    details = {"images": 3, "time_s": 1.5, "total_time_s": 2.0, "device": "cpu", **warned}
    run.mark_done("extract_cams", "abc", details)
    bad = [{"path": "a.png", "reason": "it is empty"}]
    known = {"listing": "0", "images": 4, "fingerprint": "1", "bad_files": bad, "bad_masks": []}
    run.update_manifest(data=known, environment={"python": "3.11", "packages": {"torch": None}})
    run.manifest_path.rename(path)


def save_scores(path: Path) -> None:
    """Write scores of seeds and of a segmenter."""
    cut = ScoredCut(0.3, LabelScores(0.5, iou={"background": 0.5, "cat": None}))
    counts = ((3, 1), (0, 2))
    seeds = {"network": SeedScores(best=cut, sweep=(cut,), confusion=counts)}
    labels = ("background", "cat")
    tested = SegmenterScores(split="val", images=2, classes=labels, scores=cut.scores, confusion=counts)
    write_scores(path, RunScores(split="val", images=2, classes=labels, seeds=seeds, segmenter=tested))
