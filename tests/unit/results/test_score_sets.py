"""What a report shows of the scores of corrected pseudo masks."""

from tagseg.artifacts.run_scores import CorrectionScores, LabelScores, RunScores
from tagseg.report.content import LabelRow
from tagseg.results.score_sets import corrected_labels, correction_set

NAMES = ("background", "cat", "dog", "cow")
COUNTS = ((90, 10, 0, 0), (20, 60, 0, 0), (0, 5, 0, 0), (0, 0, 0, 0))


def corrected(confusion: tuple[tuple[int, ...], ...] | None) -> RunScores:
    scores = LabelScores(0.5, iou=dict.fromkeys(NAMES))
    return RunScores(corrections=CorrectionScores(images=2, changed=0.25, scores=scores, confusion=confusion))


def test_each_label_of_corrected_masks_has_its_scores_and_none_where_they_are_not_defined() -> None:
    assert corrected_labels(corrected(COUNTS)) == (
        LabelRow("background", 90 / 120, 90 / 110, 90 / 100),
        LabelRow("cat", 60 / 95, 60 / 75, 60 / 80),
        LabelRow("dog", 0.0, None, 0.0),
        LabelRow("cow", None, None, None),
    )


def test_without_corrections_or_counts_there_are_no_rows() -> None:
    assert corrected_labels(None) == corrected_labels(RunScores()) == corrected_labels(corrected(None)) == ()
    assert correction_set(None) is None and correction_set(RunScores()) is None


def test_corrections_say_how_many_pixels_changed() -> None:
    found = correction_set(corrected(COUNTS))
    assert found is not None
    assert (found.images, found.confusion, found.note) == (2, COUNTS, "25.0 % of the pixels got another label")
