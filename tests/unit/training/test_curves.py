"""Curves: what was logged comes back, and a resumed run continues one curve."""

import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tagseg.training.curves import Curves, has_tensorboard, is_still, lost_points, read_curves


def write(folder, *, start_step, points):
    with Curves(folder, start_step=start_step) as curves:
        for step, figures in points:
            curves.add(step, figures)


def test_points_come_back_with_every_bit(tmp_path):
    third = 1 / 3
    write(tmp_path, start_step=0, points=[(1, {"loss": third, "lr": 1e-30}), (2, {"loss": float("inf")})])
    assert read_curves(tmp_path / "curves.csv") == [(1, "loss", third), (1, "lr", 1e-30), (2, "loss", float("inf"))]


def test_the_file_is_a_table_that_any_program_reads(tmp_path):
    write(tmp_path, start_step=0, points=[(10, {"loss": 0.5})])
    assert (tmp_path / "curves.csv").read_text() == "step,name,value\n10,loss,0.5\n"


def test_points_are_on_disk_before_the_run_ends(tmp_path):
    with Curves(tmp_path, start_step=0) as curves:
        curves.add(1, {"loss": 0.5})
        assert read_curves(tmp_path / "curves.csv") == [(1, "loss", 0.5)]


def test_resuming_keeps_the_steps_taken_and_drops_those_that_are_taken_again(tmp_path):
    write(tmp_path, start_step=0, points=[(step, {"loss": step / 8}) for step in (10, 20, 30, 40)])
    # The checkpoint was written after step 20 and its point; 30 and 40 come again.
    write(tmp_path, start_step=20, points=[(30, {"loss": 9.0})])
    assert read_curves(tmp_path / "curves.csv") == [(10, "loss", 1.25), (20, "loss", 2.5), (30, "loss", 9.0)]


def test_tensorboard_is_cut_at_the_same_step(tmp_path):
    write(tmp_path, start_step=0, points=[(step, {"loss_x": step / 8}) for step in (10, 20, 30, 40)])
    write(tmp_path, start_step=20, points=[(30, {"loss_x": 9.0})])
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    assert [(point.step, point.value) for point in events.Scalars("loss/x")] == [(10, 1.25), (20, 2.5), (30, 9.0)]


def test_without_the_package_the_table_is_written_all_the_same(tmp_path, monkeypatch):
    assert has_tensorboard()
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # what an import finds when there is no such package
    assert not has_tensorboard()
    write(tmp_path, start_step=0, points=[(10, {"loss": 0.5})])
    assert (tmp_path / "curves.csv").read_text() == "step,name,value\n10,loss,0.5\n"
    assert [path.name for path in tmp_path.iterdir()] == ["curves.csv"]


def test_starting_anew_begins_an_empty_curve(tmp_path):
    write(tmp_path, start_step=0, points=[(10, {"loss": 1.0})])
    write(tmp_path, start_step=0, points=[(10, {"loss": 2.0})])
    assert read_curves(tmp_path / "curves.csv") == [(10, "loss", 2.0)]


@pytest.mark.parametrize("half", ["3", "30,lo", "30,loss,", "30,loss,0.12"])
def test_a_last_line_that_a_kill_cut_short_is_left_out_and_mended(tmp_path, half):
    write(tmp_path, start_step=0, points=[(10, {"loss": 1.0}), (20, {"loss": 2.0})])
    path = tmp_path / "curves.csv"
    path.write_text(path.read_text() + half)
    assert read_curves(path) == [(10, "loss", 1.0), (20, "loss", 2.0)]
    write(tmp_path, start_step=25, points=[(30, {"loss": 3.0})])
    assert read_curves(path) == [(10, "loss", 1.0), (20, "loss", 2.0), (30, "loss", 3.0)]
    assert path.read_text().splitlines()[-1] == "30,loss,3.0"


def test_points_that_were_lost_at_the_end_are_told(tmp_path):
    write(tmp_path, start_step=0, points=[(step, {"loss": 1.0, "lr": 0.5}) for step in (10, 20, 30, 33)])
    path = tmp_path / "curves.csv"
    assert lost_points(path, steps=33) == ""
    assert lost_points(path, steps=42, every_steps=10) == ""  # killed before the next point
    assert lost_points(path, steps=43, every_steps=10) != ""
    path.write_bytes(path.read_bytes()[: len("step,name,value\n10,loss,1.0\n10,lr,0.5\n20,lo")])
    told = f"{path} must hold the points of 33 steps, got none behind step 10: the others are lost"
    assert lost_points(path, steps=33) == lost_points(path, steps=33, every_steps=10) == told
    path.write_text("step,name,value\n")
    assert lost_points(path, steps=33).endswith("got none behind step 0: the others are lost")


def noisy(*means: float) -> list[float]:
    """Return twenty points around each mean, 0.05 up and down by turns."""
    return [value + (0.05 if turn % 2 else -0.05) for value in means for turn in range(20)]


@pytest.mark.parametrize(
    ("values", "still"),
    [
        (noisy(0.6, 0.6, 0.6), True),
        (noisy(0.6, 0.3, 0.61), True),  # what it did in between is lost again
        (noisy(0.6, 0.5, 0.5), False),
        (noisy(0.6, 0.59, 0.56), False),  # little, and more than the noise
        (noisy(0.1, 0.4, 0.5), False),  # it moved, in whichever direction
        ([0.6] * 9, True),
        ([0.6] * 5, False),  # too few to tell
        ([], False),
    ],
)
def test_a_curve_is_still_when_it_ends_where_it_began_but_for_noise(values: list[float], still: bool) -> None:
    assert is_still(values) is still
