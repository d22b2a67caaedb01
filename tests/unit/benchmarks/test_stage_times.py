"""How stages of two checkouts are compared: medians, times, and what is held to the bar."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))

from stage_times import compare


def test_times_are_medians_over_rounds_that_ran_in_turns() -> None:
    """A round in which the machine is slow hits both: the ratio is taken inside a round."""
    rounds = [
        ({"report": 2.0, "make_masks": 10.0}, {"report": 2.2, "make_masks": 13.0}),
        ({"report": 20.0, "make_masks": 100.0}, {"report": 22.0, "make_masks": 130.0}),
        ({"report": 2.0, "make_masks": 10.0}, {"report": 2.0, "make_masks": 10.0}),
    ]
    assert compare(rounds) == [
        {"stage": "report", "before_s": 2.0, "now_s": 2.2, "times": 1.1, "bar": "met"},
        {"stage": "make_masks", "before_s": 10.0, "now_s": 13.0, "times": 1.3, "bar": "missed"},
    ]


def test_a_stage_below_a_second_is_not_held_to_the_bar() -> None:
    (row,) = compare([({"report": 0.1}, {"report": 0.3})])
    assert (row["times"], row["bar"]) == (3.0, "not held to it")


def test_the_bar_is_met_at_it_and_a_stage_of_one_checkout_is_left_out() -> None:
    (row,) = compare([({"report": 1.0, "old": 3.0}, {"report": 1.2, "new": 3.0})])
    assert (row["stage"], row["bar"]) == ("report", "met")
