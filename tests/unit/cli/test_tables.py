"""Tables of scores: what stands in which row, against what it is compared, and what is not defined."""

import pytest

from tagseg.artifacts.run_scores import (
    LabelScores,
    MaskScores,
    PartScores,
    RunScores,
    ScoredCut,
    SeedScores,
    SegmenterScores,
)
from tagseg.cli import tables
from tagseg.cli.console import print_table


def labels(mean_iou: float | None, *, recall: float | None = 0.5) -> LabelScores:
    return LabelScores(mean_iou, 0.625, recall, iou={"background": 0.8, "cat": mean_iou, "owl": None})


def cut(mean_iou: float | None, *, recall: float | None = 0.5) -> ScoredCut:
    return ScoredCut(0.3, labels(mean_iou, recall=recall))


def scores_of(*, masks: float | None = None, segmenter: float | None = None, **seeds: float) -> RunScores:
    """Return the best mIoU of each kind of maps, that of pseudo masks cut at 0.25, and that of the segmenter."""
    made = MaskScores(
        images=437,
        refine=(),
        background_rule="fixed",
        background_score=0.25,
        masks=PartScores(1.0, labels(masks)),
        confident=PartScores(0.5, labels(0.99)),
        best=cut(0.98),
    )
    return RunScores(
        split="val",
        images=437,
        seeds={kind: SeedScores(best=cut(value), at_recipe=cut(0.01)) for kind, value in seeds.items()},
        pseudo_masks=None if masks is None else made,
        segmenter=None if segmenter is None else SegmenterScores(split="test", images=223, scores=labels(segmenter)),
    )


def test_seeds_and_masks_each_have_a_row() -> None:
    assert tables.score_rows("this run", scores_of(network=0.48, averaged=0.53, masks=0.551)) == [
        ("this run", "seeds from the network", "0.30", "48.0", "62.5", "50.0"),
        ("this run", "seeds averaged over regions", "0.30", "53.0", "62.5", "50.0"),
        ("this run", "pseudo masks", "0.25", "55.1", "62.5", "50.0"),
    ]


def test_a_row_has_a_cell_for_every_column() -> None:
    (row,) = tables.score_rows("this run", scores_of(network=0.48))
    assert len(row) == len(tables.SCORE_COLUMNS)
    compared = tables.compared_rows(scores_of(network=0.48), scores_of(network=0.4))
    assert {len(row) for row in compared} == {len(tables.SCORE_COLUMNS) + 1}


def test_without_masks_there_is_no_row_of_them() -> None:
    assert [row[1] for row in tables.score_rows("this run", scores_of(network=0.48))] == ["seeds from the network"]


def test_a_score_that_is_not_defined_is_a_dash() -> None:
    scores = RunScores(seeds={"network": SeedScores(best=cut(0.48, recall=None))})
    assert tables.score_rows("this run", scores)[0][-1] == "-"


def test_without_any_label_there_is_nothing_to_compare() -> None:
    nothing = RunScores(seeds={"network": SeedScores(best=cut(None))})
    assert [row[-1] for row in tables.compared_rows(scores_of(network=0.5), nothing)] == ["", ""]
    assert [row[-1] for row in tables.compared_rows(nothing, scores_of(network=0.5))] == ["", ""]
    assert tables.comparison_sentences(nothing, scores_of(network=0.5)) == []


def test_masks_are_not_moved_to_their_best_background_score() -> None:
    made = tables.shown_scores(scores_of(network=0.48, masks=0.55))["masks"]
    assert (made.scores.mean_iou, made.background_score) == (0.55, 0.25)


def test_the_title_names_the_split_and_how_each_kind_was_cut() -> None:
    seeds_only = "Scores on split 'val', 437 images; seeds at the best background score"
    assert tables.score_title(scores_of(network=0.48)) == seeds_only
    assert tables.score_title(scores_of(network=0.48, masks=0.55)) == f"{seeds_only}, pseudo masks as made"


def test_seeds_are_compared_with_the_plain_network_s_and_masks_with_masks() -> None:
    rows = tables.compared_rows(scores_of(network=0.5, averaged=0.53, masks=0.6), scores_of(network=0.48, masks=0.57))
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("plain CAM", "seeds from the network", ""),
        ("plain CAM", "pseudo masks", ""),
        ("SSC", "seeds from the network", "+2.0"),
        ("SSC", "seeds averaged over regions", "+5.0"),  # plain CAM averages nothing
        ("SSC", "pseudo masks", "+3.0"),
    ]


def test_the_difference_is_taken_against_the_network_s_own_plain_maps() -> None:
    rows = tables.compared_rows(scores_of(network=0.4, averaged=0.5), scores_of(network=0.48, averaged=0.6))
    assert [(row[0], row[-1]) for row in rows] == [
        ("plain CAM", ""),
        ("plain CAM", ""),
        ("SSC", "-8.0"),
        ("SSC", "+2.0"),
    ]


def test_masks_that_plain_cam_lacks_are_compared_with_nothing() -> None:
    rows = tables.compared_rows(scores_of(network=0.5, masks=0.6), scores_of(network=0.48))
    assert [(row[1], row[-1]) for row in rows[1:]] == [("seeds from the network", "+2.0"), ("pseudo masks", "")]


def test_sentences_part_what_the_network_gains_from_what_the_next_stage_gets() -> None:
    ours, plain = scores_of(network=0.5, averaged=0.53, masks=0.55), scores_of(network=0.48, masks=0.57)
    ending = "points of mIoU on the same seed and budget"
    assert tables.comparison_sentences(ours, plain) == [
        f"seeds from the network: SSC 50.0 % against plain CAM 48.0 %: +2.0 {ending}",
        f"seeds averaged over regions: SSC 53.0 % against plain CAM 48.0 %: +5.0 {ending}",
        f"pseudo masks: SSC 55.0 % against plain CAM 57.0 %: -2.0 {ending}",
    ]


@pytest.mark.parametrize(("ours", "plain"), [(None, 0.5), (0.5, None), (None, None)])
def test_no_sentence_on_masks_that_one_of_them_lacks(ours: float | None, plain: float | None) -> None:
    sentences = tables.comparison_sentences(scores_of(network=0.5, masks=ours), scores_of(network=0.4, masks=plain))
    assert [sentence.partition(":")[0] for sentence in sentences] == ["seeds from the network"]


def test_classes_have_a_column_for_each_kind() -> None:
    scores = scores_of(network=0.48, averaged=0.53, masks=0.551)
    assert tables.class_columns(scores) == (
        "label",
        "IoU % seeds from the network",
        "IoU % seeds averaged over regions",
        "IoU % pseudo masks",
    )
    assert tables.class_rows(scores) == [
        ("background", "80.0", "80.0", "80.0"),
        ("cat", "48.0", "53.0", "55.1"),
        ("owl", "-", "-", "-"),
    ]


def test_the_segmenter_has_a_row_without_a_background_score_and_its_split_is_named() -> None:
    scores = scores_of(network=0.48, masks=0.551, segmenter=0.6)
    assert tables.score_rows("this run", scores)[-1] == ("this run", "segmenter", "-", "60.0", "62.5", "50.0")
    assert tables.score_title(scores).endswith("pseudo masks as made; segmenter on split 'test', 223 images")


def test_an_upper_bound_has_a_row_and_a_share() -> None:
    ours = scores_of(network=0.5, masks=0.6, segmenter=0.57)
    plain = scores_of(network=0.4, masks=0.5, segmenter=0.45)
    full = scores_of(segmenter=0.6)
    rows = tables.compared_rows(ours, plain, full)
    assert [(row[0], row[1], row[-1]) for row in rows if row[1] == "segmenter"] == [
        ("plain CAM", "segmenter", ""),
        ("SSC", "segmenter", "+12.0"),
        ("ground truth", "segmenter", "+15.0"),
    ]
    assert tables.comparison_sentences(ours, plain, full)[2:] == [
        "segmenter: SSC 57.0 % against plain CAM 45.0 %: +12.0 points of mIoU on the same seed and budget",
        "segmenter: tags alone reach 95.0 % of the same network taught by ground truth (57.0 % of 60.0 %)",
    ]


def test_an_upper_bound_alone_is_compared_without_plain_cam() -> None:
    ours = scores_of(network=0.5, segmenter=0.3)
    full = scores_of(segmenter=0.6)
    (sentence,) = tables.comparison_sentences(ours, None, full)
    assert sentence.startswith("segmenter: tags alone reach 50.0 %")
    assert {row[-1] for row in tables.compared_rows(ours, None, full)} == {""}


def test_scores_of_folders_are_shown_by_label() -> None:
    scores = {"images": 3, "mean_iou": 0.5, "precision": None, "recall": 0.25, "pixel_accuracy": 1.0}
    scores["iou"] = {"background": 0.75, "cat": None}
    assert tables.folder_title(scores) == "3 images: mIoU 50.0 %, precision - %, recall 25.0 %, pixel accuracy 100.0 %"
    assert tables.folder_rows(scores) == [("background", "75.0"), ("cat", "-")]


def test_a_file_has_room_for_a_wide_table(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"a run with a long name {number}" for number in range(8)]
    print_table("Runs", ["what", *names], [["mIoU", *(f"{number}.5" for number in range(8))]])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mIoU", *(f"{number}.5" for number in range(8))] in lines
    assert ["what", *" ".join(names).split()] in lines
