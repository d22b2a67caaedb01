"""Progress in notebooks, with a double of IPython: what is shown, when a bar moves, and who is silent."""

import pickle
import sys
from types import ModuleType, SimpleNamespace

import pytest

from tagseg.progress import Progress, SilentProgress
from tagseg.system.notebook import NotebookProgress, default_progress, in_notebook


class Cell:
    """What is shown below a cell: every display, with all that it was changed to."""

    def __init__(self) -> None:
        self.shown: list[list[object]] = []

    def display(self, thing: object, *, display_id: bool = False) -> SimpleNamespace | None:
        history = [thing]
        self.shown.append(history)
        return SimpleNamespace(update=history.append) if display_id else None


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    found = Cell()
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # pyright: ignore[reportAttributeAccessIssue]
    display.display = found.display  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return found


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_plain_python_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    assert isinstance(default_progress(), SilentProgress)


def test_a_terminal_of_ipython_is_no_notebook(cell: Cell) -> None:
    sys.modules["IPython"].get_ipython = lambda: SimpleNamespace()  # pyright: ignore[reportAttributeAccessIssue]
    assert not in_notebook()


def test_a_notebook_hears_of_stages_and_notes(cell: Cell) -> None:
    assert in_notebook()
    progress = default_progress()
    assert isinstance(progress, Progress)
    progress.stage("evaluate", "resume", "it was interrupted")
    progress.stage("predict", "start", "")
    progress.note("a <b>\n")
    progress.warn("look")
    assert [str(history[0]) for history in cell.shown] == [
        "evaluate: continues (it was interrupted)",
        "predict: starts",
        "a <b>\\n",
        "warning: look",
    ]
    assert cell.shown[2][0]._repr_html_() == "<div>a &lt;b&gt;\\n</div>"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_bar_moves_a_few_times_a_second_and_ends_with_its_time(cell: Cell) -> None:
    clock = Clock()
    with NotebookProgress(clock=clock).task("Training", total=10, done=4, unit="steps") as task:
        task.advance(loss=0.5)
        clock.now_s = 0.3
        task.advance(2)
        clock.now_s = 7.0
    (history,) = cell.shown
    assert [str(each) for each in history] == [
        "Training: 4/10 steps",
        "Training: 7/10 steps, loss 0.5",
        "Training: 3 steps in 7 s, loss 0.5",
    ]
    assert '<progress value="7" max="10">' in history[1]._repr_html_()  # pyright: ignore[reportAttributeAccessIssue]


def test_work_without_a_total_has_a_bar(cell: Cell) -> None:
    with NotebookProgress().task("Nothing", total=0):
        pass
    assert 'max="1"' in cell.shown[0][0]._repr_html_()  # pyright: ignore[reportAttributeAccessIssue]


def test_another_process_is_silent() -> None:
    assert isinstance(pickle.loads(pickle.dumps(NotebookProgress())), SilentProgress)
