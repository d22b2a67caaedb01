"""What a run prints while it is at work, to a file and to a terminal."""

import io
import pickle

import pytest
from rich.console import Console

from tagseg.cli.console import ConsoleProgress, open_console
from tagseg.progress import duration_text, figures_text


class Clock:
    """Seconds that move only when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def plain_progress(clock: Clock, *, interval_s: float = 10.0) -> tuple[ConsoleProgress, io.StringIO]:
    output = io.StringIO()
    progress = ConsoleProgress(interval_s=interval_s, clock=clock)
    progress.console = Console(file=output, width=200, markup=False, highlight=False, soft_wrap=True)
    return progress, output


def test_a_file_gets_a_line_at_every_interval_and_one_at_the_end() -> None:
    clock = Clock()
    progress, output = plain_progress(clock)
    with progress.task("Training", total=400, done=100) as task:
        for _ in range(3):
            clock.now_s += 5.0
            task.advance(50, loss=0.5, loss_classification=0.25, grad_classification=9.0)
    assert output.getvalue().splitlines() == [
        "  Training: 200/400 images, 10.0 images/s, 20 s left, loss 0.5, classification 0.25",
        "  Training: 150 images in 15 s (10.0 images/s), loss 0.5, classification 0.25",
    ]


def test_work_that_fails_has_no_closing_line() -> None:
    progress, output = plain_progress(Clock())
    with pytest.raises(RuntimeError), progress.task("Training", total=4):
        raise RuntimeError
    assert output.getvalue() == ""


def test_a_stage_is_printed_with_its_reason() -> None:
    progress, output = plain_progress(Clock())
    progress.stage("train_classifier", "start", "not done yet")
    progress.note("training on cpu [asked for]")
    progress.warn("2 images are left out")
    progress.stage("train_classifier", "done", "12 s")
    progress.stage("extract_cams", "skip", "done with the same inputs")
    progress.stage("evaluate", "resume", "")
    assert output.getvalue().splitlines() == [
        "train_classifier: starts (not done yet)",
        "  training on cpu [asked for]",
        "  warning: 2 images are left out",
        "train_classifier: done (12 s)",
        "extract_cams: skipped (done with the same inputs)",
        "evaluate: continues",
    ]


def test_a_terminal_gets_bars_that_may_be_nested() -> None:
    output = io.StringIO()
    progress = ConsoleProgress()
    progress.console = Console(file=output, width=160, force_terminal=True, color_system=None)
    with progress.task("Outer", total=2) as outer:
        with progress.task("Inner", total=8) as inner:
            inner.advance(8, loss=0.125)
        outer.advance(2)
        progress.note("epoch 1 of 2")
    shown = output.getvalue()
    assert all(text in shown for text in ("Outer", "2/2", "Inner", "8/8", "loss 0.125", "epoch 1 of 2"))


def test_progress_survives_the_way_to_another_process() -> None:
    copy = pickle.loads(pickle.dumps(ConsoleProgress(interval_s=3.0)))
    assert isinstance(copy, ConsoleProgress) and copy.interval_s == 3.0


def test_durations_round_before_they_are_split() -> None:
    assert [duration_text(seconds) for seconds in (0.2, 59.6, 3599.7)] == ["0 s", "1 min 0 s", "1 h 0 min"]


def test_gradient_norms_stay_out_of_the_line() -> None:
    assert figures_text({"grad_classification": 1.0}) == ""


@pytest.mark.parametrize("variable", ["RANK", "SLURM_PROCID"])
def test_only_the_first_process_of_a_launcher_prints(monkeypatch, capsys, variable):
    for rank in ("0", "1"):
        monkeypatch.setenv(variable, rank)
        open_console().print(f"from {rank}")
        open_console(errors=True).print(f"error from {rank}")
    printed = capsys.readouterr()
    assert printed.out == "from 0\n"
    assert printed.err == "error from 0\nerror from 1\n"
