"""What the manifest learns about a sitting: its time, with that of earlier ones, its memory, images and warnings."""

from dataclasses import replace
from pathlib import Path

import pytest
from lightning_fabric import Fabric

from tagseg.artifacts.run_folder import RunFolder
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError
from tagseg.pipeline import cost as here
from tagseg.pipeline.cost import Sitting, noting_progress
from tagseg.progress import SilentProgress
from tagseg.recipe import make_recipe
from tagseg.stages.context import RunContext
from tagseg.types import Split


class Clock:
    """Seconds that move only when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


class Heard(SilentProgress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def stage(self, name: str, status: str, detail: str) -> None:
        self.told.append((name, status, detail))

    def note(self, text: str) -> None:
        self.told.append(("note", text))

    def warn(self, text: str) -> None:
        self.told.append(("warn", text))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(here, "time", clock)
    return clock


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    recipe = make_recipe({"name": "small", "data": {"format": "synthetic"}})
    nothing = Split("train", ClassTable(("cat",)), ())  # no stage looks at the images here
    folder = RunFolder(tmp_path / "run")
    folder.update_manifest(environment={"commit": "abc"})
    folder.mark_started("extract_cams", "x")
    return RunContext(Fabric(accelerator="cpu", devices=1), recipe, folder, nothing, None, "", Heard())


def test_figures_tell_this_sitting_and_all_together(context: RunContext, clock: Clock) -> None:
    context.folder.note_time("extract_cams", 40.0)
    with Sitting(context, "extract_cams") as sitting:
        with sitting.progress.task("Extracting CAMs", total=10, done=4) as task:
            clock.now_s += 2.0
            task.advance(2)
            task.advance(4)
        with sitting.progress.task("Reading", total=3, unit="files") as task:
            clock.now_s += 9.0
            task.advance(3)
        clock.now_s += 1.0
    figures = sitting.figures()
    assert figures.pop("peak_memory_bytes") > 2**20
    assert figures == {
        "time_s": 12.0,
        "total_time_s": 52.0,
        "device": "cpu",
        "processes": 1,
        "commit": "abc",
        "counted": "Extracting CAMs",
        "counted_images": 6,  # the four that were there do not count
        "images_per_s": 3.0,
    }
    assert context.folder.spent_s("extract_cams") == 52.0


def test_the_throughput_is_that_of_the_longest_work_on_images(context: RunContext, clock: Clock) -> None:
    with Sitting(context, "extract_cams") as sitting:
        for title, count, seconds in (("short", 50, 1.0), ("long", 8, 4.0), ("later", 3, 2.0)):
            with sitting.progress.task(title, total=count) as task:
                clock.now_s += seconds
                task.advance(count)
    figures = sitting.figures()
    assert (figures["counted"], figures["counted_images"], figures["images_per_s"]) == ("long", 8, 2.0)


def test_without_counted_images_there_is_no_throughput(context: RunContext, clock: Clock) -> None:
    with Sitting(context, "extract_cams") as sitting, sitting.progress.task("Extracting CAMs", total=4, done=4):
        clock.now_s += 1.0
    assert "images_per_s" not in sitting.figures()


def test_a_sitting_that_fails_leaves_its_time(context: RunContext, clock: Clock) -> None:
    with pytest.raises(RuntimeError), Sitting(context, "extract_cams"):
        clock.now_s += 7.0
        raise RuntimeError
    assert context.folder.spent_s("extract_cams") == 7.0
    with pytest.raises(RuntimeError), Sitting(context, "extract_cams"):
        clock.now_s += 5.0
        raise RuntimeError
    assert context.folder.spent_s("extract_cams") == 12.0


def test_a_sitting_that_is_killed_leaves_its_time_up_to_the_last_beat(context: RunContext, clock: Clock) -> None:
    with Sitting(context, "extract_cams") as sitting, sitting.progress.task("Extracting CAMs", total=9) as task:
        for expected in (0.0, 0.0, 36.0, 36.0, 36.0, 72.0):
            clock.now_s += 12.0
            task.advance()
            assert context.folder.spent_s("extract_cams") == expected


def test_what_stopped_a_stage_is_heard_though_its_time_cannot_be_written(context, clock, monkeypatch) -> None:
    def full(*args: object) -> None:
        raise ArtifactError("the disk is full", help="free some")

    monkeypatch.setattr(RunFolder, "note_time", full)
    with pytest.raises(RuntimeError, match="first"), Sitting(context, "extract_cams"):
        raise RuntimeError("first")
    with pytest.raises(ArtifactError, match="the disk is full"), Sitting(context, "extract_cams"):
        pass


def test_warnings_are_noted_and_everything_is_handed_on(context: RunContext) -> None:
    heard = context.progress
    assert isinstance(heard, Heard)
    with Sitting(context, "extract_cams") as sitting:
        for _ in range(2):
            sitting.progress.warn("slow")
        sitting.progress.note("by the way")
        sitting.progress.stage("extract_cams", "start", "why")
    assert heard.told == [("warn", "slow")] * 2 + [("note", "by the way"), ("extract_cams", "start", "why")]
    assert context.folder.read_manifest()["stages"]["extract_cams"]["warnings"] == ["slow"]
    context.folder.mark_done("extract_cams", "x", sitting.figures())
    assert context.folder.read_manifest()["stages"]["extract_cams"]["warnings"] == ["slow"]


def test_what_is_warned_of_before_any_stage_is_that_of_the_last_sitting(context: RunContext) -> None:
    heard = Heard()
    noting_progress(heard, context.folder).warn("2 images cannot be read")
    assert context.folder.read_manifest()["warnings"] == ["2 images cannot be read"]
    noting_progress(heard, context.folder)
    assert "warnings" not in context.folder.read_manifest()
    assert heard.told == [("warn", "2 images cannot be read")]


def test_other_processes_than_the_first_note_nothing(context: RunContext, clock: Clock) -> None:
    class Second(Fabric):
        is_global_zero = False
        world_size = 2

    before = context.folder.manifest_path.read_text()
    with Sitting(replace(context, fabric=Second(accelerator="cpu", devices=1)), "extract_cams") as sitting:
        clock.now_s += 3.0
        sitting.progress.warn("slow")
        with sitting.progress.task("Extracting CAMs", total=2) as task:
            clock.now_s += 60.0
            task.advance(2)
    assert context.folder.manifest_path.read_text() == before
