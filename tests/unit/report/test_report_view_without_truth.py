"""The page of a run without ground truth: pictures first, what the masks show, no part that would be empty."""

import re
from dataclasses import replace

from kit.report_samples import make_report

from tagseg.report.content import ClassShare, LabelRow
from tagseg.report.html import render_report

SHARES = (ClassShare("background", None, 12, 0.75), ClassShare("cat", 7, 6, 0.25))


def sections(page: str) -> list[str]:
    return re.findall(r'<section id="(\w+)"', page)


def shown(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def page(shares: tuple[ClassShare, ...] = SHARES) -> str:
    full = make_report(count=3)
    gallery = tuple(replace(image, mean_iou=None) for image in full.gallery)
    report = replace(full, scores=(), sweeps=(), activation=(), beside=(), gallery=gallery, gallery_score="")
    return render_report(replace(report, has_truth=False, class_shares=shares, background_score=0.576))


def test_pictures_come_first_and_parts_that_need_scores_stay_away() -> None:
    assert sections(page()) == ["gallery", "shares", "problems", "curves", "cost", "facts"]
    assert "ground truth, or the stage evaluate" not in shown(page())


def test_the_share_of_each_class_is_told() -> None:
    assert "background 12 75.0" in shown(page())
    assert "cat 7 6 25.0" in shown(page())


def test_a_run_with_ground_truth_has_no_shares() -> None:
    assert "shares" not in sections(render_report(make_report(count=3)))


def test_held_out_tags_are_shown_where_somebody_looked() -> None:
    assert "Held-out tags" not in shown(page())
    said = shown(page((SHARES[0], SHARES[1]._replace(held_out=0.875))))
    assert "Held-out tags 87.5 % mean average precision" in said
    assert "background 12 75.0" in said
    assert "cat 7 6 25.0 % 87.5 %" in said


def test_corrections_say_how_good_the_masks_were_that_they_replace() -> None:
    assert "corrections" not in sections(page())
    full = make_report(count=3)
    (masks,) = (each for each in full.scores if each.key == "pseudo_masks")
    names = full.label_names
    found = replace(masks, images=1, note="16.7 % of the pixels got another label")
    rows = (LabelRow(names[0], 0.75, 0.818, 0.9), LabelRow(names[1], 0.667, None, 0.75))
    report = replace(full, has_truth=False, corrections=found, corrected_labels=rows)
    assert sections(render_report(report))[:2] == ["gallery", "corrections"]
    said = shown(render_report(report))
    assert "with the corrections as the truth: 16.7 % of the pixels got another label." in said
    assert f"{names[0]} 75.0 % 81.8 % 90.0 %" in said
    assert f"{names[1]} 66.7 % n/a 75.0 %" in said
    assert sections(render_report(replace(report, has_truth=True))).count("corrections") == 1
