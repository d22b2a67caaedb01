import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from tagseg.report.axes import PERCENT, Axis, percent_axis, step_axis, value_axis
from tagseg.report.bars import Bars, bar_rows, difference_rows
from tagseg.report.charts import Dot, Frame, Line, Mark, line_chart, scatter_chart
from tagseg.report.content import Activation, ActivationShare, Curve, ScoreSet, Sweep, SweepPoint
from tagseg.report.drawings import activation_drawing, class_bars, curve_groups, sweep_chart
from tagseg.report.matrix import confusion_table

FRAME = Frame("Chart", "What it shows.", Axis(0.0, 10.0, ((0.0, "0"), (10.0, "10"))), PERCENT, height_px=100)


def parsed(markup: str) -> ElementTree.Element:
    """Return the elements of a drawing; what is not well-formed fails here."""
    return ElementTree.fromstring(f"<div>{markup}</div>")


def test_a_line_runs_from_point_to_point() -> None:
    (path,) = parsed(line_chart(FRAME, [Line("a", "s0", (0, 5, 10), (0, 0.25, 1))])).iter("path")
    assert path.get("d") == "M0 100L500 75L1000 0"


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_what_is_no_number_leaves_a_gap(missing: float | None) -> None:
    (path,) = parsed(line_chart(FRAME, [Line("a", "s0", (0, 2, 4, 6, 8), (0, 0, missing, 1, 1))])).iter("path")
    assert path.get("d") == "M0 100L200 100M600 0L800 0"


def test_a_single_point_is_a_dot() -> None:
    chart = parsed(line_chart(FRAME, [Line("a", "s3", (5,), (0.5,))]))
    assert [(dot.get("cx"), dot.get("cy")) for dot in chart.iter("circle")] == [("50%", "50")]


def test_marks_stand_where_they_say() -> None:
    chart = parsed(line_chart(FRAME, [], marks=[Mark(2.5, "cursor")]))
    (mark,) = [line for line in chart.iter("line") if line.get("class") == "mark cursor"]
    assert (mark.get("x1"), mark.get("x2")) == ("25%", "25%")


def test_every_chart_is_named_for_those_who_do_not_see_it() -> None:
    charts = [
        line_chart(FRAME, []),
        scatter_chart(FRAME, [Dot("cat", "s0", 1, 0.5)]),
        bar_rows(["cat"], [Bars("Seeds", "s0", {"cat": 0.5})], title="IoU"),
        difference_rows(["cat"], [Bars("Seeds", "s0", {"cat": 0.5})], title="IoU"),
    ]
    for chart in charts:
        outer = next(element for element in parsed(chart).iter("svg"))
        assert outer.get("role") == "img"
        assert outer[0].tag == "title"
        assert outer[0].text


def test_names_cannot_leave_their_place() -> None:
    name = '"><img src=x onerror=alert(1)>'
    drawings = [
        bar_rows([name], [Bars(name, "s0", {name: 0.5})], title=name),
        difference_rows([name], [Bars(name, "s0", {name: 0.5})], title=name),
        line_chart(Frame(name, name, PERCENT, PERCENT, x_name=name), [Line(name, "s0", (0, 1), (0, 1))]),
        scatter_chart(FRAME, [Dot(name, "s0", 1, 0.5, label=name)], corners=[(0.1, 0.1, name)]),
        confusion_table([name], [[1]]),
    ]
    for drawing in drawings:
        tags = {element.tag for element in parsed(drawing).iter()}
        assert "img" not in tags
        assert name in "".join(parsed(drawing).itertext())


def test_bars_are_as_long_as_their_values_and_have_their_numbers() -> None:
    rows = parsed(bar_rows(["cat", "dog"], [Bars("a", "s0", {"cat": 0.25, "dog": None})], title="IoU"))
    assert [rect.get("width") for rect in rows.iter("rect")] == ["25%"]
    assert [span.text for span in rows.iter("span") if span.get("class") is None] == ["25.0", "n/a"]


def test_differences_grow_from_the_middle() -> None:
    series = [Bars("a", "s0", {"cat": 0.1, "dog": -0.05, "cow": None})]
    rows = parsed(difference_rows(["cat", "dog", "cow"], series, title="IoU"))
    places = [(rect.get("x"), rect.get("width")) for rect in rows.iter("rect")]
    assert places == [("50%", "50%"), ("25%", "25%")]
    assert "10 points" in "".join(rows.itertext())


def test_decades_ask_for_a_logarithmic_axis() -> None:
    assert value_axis([0.001, 1.0]).log
    assert not value_axis([0.1, 1.0]).log
    assert not value_axis([0.0, 1000.0]).log
    assert not value_axis([-1.0, 1000.0]).log


@pytest.mark.parametrize(
    "values", [[], [0.0], [math.nan], [3.0], [-2.0, -1.0], [1e-12], [1e12, 1.0], [5.0, 5.0], [0.0, 1e-300], [-4.0, 7.0]]
)
def test_an_axis_holds_all_its_values(values: list[float]) -> None:
    axis = value_axis(values)
    assert axis.low < axis.high
    assert len(axis.ticks) >= 2
    for value in values:
        if math.isfinite(value):
            assert -1e-9 <= axis.share(value) <= 1 + 1e-9
    assert all(-1e-9 <= axis.share(value) <= 1 + 1e-9 for value, _ in axis.ticks)


@pytest.mark.parametrize("last", [1, 7, 40, 999, 123_456])
def test_an_axis_of_steps_has_a_few_round_ticks(last: int) -> None:
    axis = step_axis([last])
    assert 2 <= len(axis.ticks) <= 6
    assert axis.high == last


def test_the_sweep_marks_its_best() -> None:
    points = (SweepPoint(0.1, 0.2, 0.1, 0.9), SweepPoint(0.3, 0.45, 0.4, 0.8), SweepPoint(0.5, None, None, 0.1))
    drawing = sweep_chart(Sweep("network", "Seeds", points, 0.3))
    assert drawing.title == "Seeds: best 45.0 % at 0.3"
    marks = [line for line in parsed(drawing.drawing).iter("line") if "mark" in line.get("class", "")]
    assert [(mark.get("class"), mark.get("x1")) for mark in marks] == [("mark best", "30%"), ("mark cursor", "30%")]


def test_activation_lies_by_covered_across_and_inside_upwards() -> None:
    shares = (ActivationShare("all classes", 0.5, 0.25), ActivationShare("cat", None, 0.5))
    drawing = activation_drawing(Activation("network", "Maps", 0.25, shares))
    (dot,) = parsed(drawing.scatter).iter("circle")
    assert (dot.get("cx"), dot.get("cy")) == ("25%", "130")
    assert "inside n/a" in drawing.bars


def test_a_class_that_floods_has_its_name_at_its_dot() -> None:
    shares = (ActivationShare("all classes", 0.9, 0.9), ActivationShare("crack", 0.8, 0.04))
    chart = parsed(activation_drawing(Activation("network", "Maps", 0.25, shares)).scatter)
    (label,) = [text for text in chart.iter("text") if text.text == "crack"]
    (dot,) = [circle for circle in chart.iter("circle") if circle.get("cx") == label.get("x")]
    assert label.get("y") == dot.get("cy")


def test_labels_of_dots_do_not_lie_over_one_another() -> None:
    dots = [Dot(name, "s0", 5, 0.5 + shift, label=name) for name, shift in (("a", 0.0), ("b", 0.01), ("c", -0.01))]
    chart = parsed(scatter_chart(FRAME, dots))
    levels = sorted(float(text.get("y")) for text in chart.iter("text") if text.get("class") == "dot-label")
    assert all(below - above >= 13 for above, below in pairwise(levels))
    assert len(levels) == 3


@pytest.mark.parametrize(("corner", "y"), [("floods", 0.03), ("fits", 0.94)])
def test_labels_of_dots_lie_over_no_word_of_the_chart_and_inside_it(corner: str, y: float) -> None:
    frame = Frame("Shares", "Three points.", Axis(0.0, 1.0, ()), Axis(0.0, 1.0, ()))
    dots = [Dot(name, "s0", 0.8 + shift, round(y), label=name) for name, shift in (("a", 0.0), ("b", 0.1), ("c", -0.1))]
    chart = parsed(scatter_chart(frame, dots, corners=[(0.97, y, corner)]))
    (word,) = [float(text.get("y")) for text in chart.iter("text") if text.get("class") == "corner"]
    levels = [float(text.get("y")) for text in chart.iter("text") if text.get("class") == "dot-label"]
    assert len(levels) == 3 and all(0 <= level <= frame.height_px for level in levels)
    assert all(abs(level - (word - 14 / 3)) >= 13 for level in levels)  # a word stands on its place, a label around it


@pytest.mark.parametrize("top", [0.004, 0.23, 0.25, 0.5, 0.77, 1.0])
def test_an_axis_of_shares_reaches_above_them(top: float) -> None:
    axis = percent_axis([0.0, None, top])
    assert top <= axis.high + 1e-9 <= 2.5 * top
    assert axis.ticks[-1] == (axis.high, f"{100 * axis.high:g} %")
    assert 3 <= len(axis.ticks) <= 6


def test_curves_are_grouped_by_training_losses_first() -> None:
    names = ("lr", "val_miou", "grad_classification", "loss_classification", "loss")
    curves = [Curve("train_classifier", name, (1, 2), (1.0, 0.5)) for name in names]
    (group,) = curve_groups({"": curves})
    assert [chart.title for chart in group.charts] == [
        "Total loss",
        "Loss of classification",
        "Gradient norm of classification",
        "Validation mIoU",
        "Learning rate",
    ]


def test_curves_of_several_runs_share_a_chart() -> None:
    runs = {title: [Curve("train_classifier", "loss", (1, 2), (1.0, height))] for title, height in (("a", 2), ("b", 4))}
    ((chart,),) = [group.charts for group in curve_groups(runs)]
    assert [path.get("class") for path in parsed(chart.drawing).iter("path")] == ["line s0", "line s1"]


def test_a_curve_that_was_never_a_number_is_drawn_empty() -> None:
    ((chart,),) = [
        group.charts for group in curve_groups({"": [Curve("train_segmenter", "loss", (1, 2), (math.nan, math.nan))]})
    ]
    (path,) = parsed(chart.drawing).iter("path")
    assert path.get("d") == ""


def test_class_bars_have_a_row_a_label_and_a_bar_a_result() -> None:
    scores = [ScoreSet(key, key, "val", 1, 0.5, 0.5, 0.5, 0.5, {"background": 0.5, "cat": 0.25}) for key in ("a", "b")]
    key, drawing = class_bars(("background", "cat"), scores)
    assert [entry.title for entry in key] == ["A", "B"]
    assert len(list(parsed(drawing).iter("rect"))) == 4


def test_the_matrix_is_normalised_by_row() -> None:
    table = parsed(confusion_table(("background", "cat", "dog"), ((997, 3, 0), (10, 30, 0), (0, 0, 0))))
    cells = [[(cell.text or "", cell.get("data-pixels")) for cell in row.iter("td")] for row in table.iter("tr")][1:]
    assert cells[0] == [("100", "997"), ("", "3"), ("", None)]
    assert cells[1] == [("25", "10"), ("75", "30"), ("", None)]
    assert cells[2] == [("", None)] * 3
    assert [row.get("data-pixels") for row in table.iter("tr")][1:] == ["1000", "40", "0"]


def test_coordinates_are_short() -> None:
    chart = line_chart(FRAME, [Line("a", "s0", (0, 10 / 3), (1 / 3, 2 / 3))])
    assert not re.search(r"\d\.\d{3}", chart)
