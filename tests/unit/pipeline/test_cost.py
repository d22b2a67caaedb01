"""What the manifest learns about a sitting: its time, with that of earlier ones, its memory, images and warnings."""

from pathlib import Path

import pytest
import torch
from kit.heard import Heard
from lightning_fabric import Fabric

from tagseg.artifacts.run_folder import RunFolder
from tagseg.errors import ArtifactError
from tagseg.pipeline import cost as here
from tagseg.pipeline.cost import StageCost, noting_progress


class Clock:
    """Seconds that move only when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(here, "time", clock)
    return clock


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run folder whose second stage is at work."""
    folder = RunFolder(tmp_path / "run")
    folder.update_manifest(environment={"commit": "abc"})
    folder.mark_started("extract_cams", "x")
    return folder


def cost_of(folder: RunFolder, *, heard: Heard | None = None, kind: type[Fabric] = Fabric) -> StageCost:
    return StageCost(kind(accelerator="cpu", devices=1), folder, "extract_cams", progress=heard or Heard())


def test_figures_tell_this_sitting_and_all_together(folder: RunFolder, clock: Clock) -> None:
    folder.note_time("extract_cams", 40.0)
    with cost_of(folder) as cost:
        with cost.progress.task("Extracting CAMs", total=10, done=4) as task:
            clock.now_s += 2.0
            task.advance(2)
            task.advance(4)
        with cost.progress.task("Reading", total=3, unit="files") as task:
            clock.now_s += 9.0
            task.advance(3)
        clock.now_s += 1.0
    figures = cost.figures()
    assert figures.pop("peak_memory_bytes") > 2**20
    assert figures == {
        "time_s": 12.0,
        "total_time_s": 52.0,
        "device": "cpu",
        "processes": 1,
        "threads": torch.get_num_threads(),
        "commit": "abc",
        "counted": "Extracting CAMs",
        "counted_images": 6,  # the four that were there do not count
        "images_per_s": 3.0,
    }
    assert folder.spent_s("extract_cams") == 52.0


def test_the_throughput_is_that_of_the_longest_work_on_images(folder: RunFolder, clock: Clock) -> None:
    with cost_of(folder) as cost:
        for title, count, seconds in (("short", 50, 1.0), ("long", 8, 4.0), ("later", 3, 2.0)):
            with cost.progress.task(title, total=count) as task:
                clock.now_s += seconds
                task.advance(count)
    figures = cost.figures()
    assert (figures["counted"], figures["counted_images"], figures["images_per_s"]) == ("long", 8, 2.0)


def test_without_counted_images_there_is_no_throughput(folder: RunFolder, clock: Clock) -> None:
    with cost_of(folder) as cost, cost.progress.task("Extracting CAMs", total=4, done=4):
        clock.now_s += 1.0
    assert "images_per_s" not in cost.figures()


def test_a_sitting_that_fails_leaves_its_time(folder: RunFolder, clock: Clock) -> None:
    with pytest.raises(RuntimeError), cost_of(folder):
        clock.now_s += 7.0
        raise RuntimeError
    assert folder.spent_s("extract_cams") == 7.0
    with pytest.raises(RuntimeError), cost_of(folder):
        clock.now_s += 5.0
        raise RuntimeError
    assert folder.spent_s("extract_cams") == 12.0


def test_a_sitting_that_is_killed_leaves_its_time_up_to_the_last_beat(folder: RunFolder, clock: Clock) -> None:
    with cost_of(folder) as cost, cost.progress.task("Extracting CAMs", total=9) as task:
        for expected in (0.0, 0.0, 36.0, 36.0, 36.0, 72.0):
            clock.now_s += 12.0
            task.advance()
            assert folder.spent_s("extract_cams") == expected


def test_what_stopped_a_stage_is_heard_though_its_time_cannot_be_written(folder, clock, monkeypatch) -> None:
    def full(*args: object) -> None:
        raise ArtifactError("the disk is full", help="free some")

    monkeypatch.setattr(RunFolder, "note_time", full)
    with pytest.raises(RuntimeError, match="first"), cost_of(folder):
        raise RuntimeError("first")
    with pytest.raises(ArtifactError, match="the disk is full"), cost_of(folder):
        pass


def test_warnings_are_noted_and_everything_is_handed_on(folder: RunFolder) -> None:
    heard = Heard()
    with cost_of(folder, heard=heard) as cost:
        for _ in range(2):
            cost.progress.warn("slow")
        cost.progress.note("by the way")
        cost.progress.stage("extract_cams", "start", "why")
    assert heard.told == [("warn", "slow")] * 2 + [("note", "by the way"), ("extract_cams", "start", "why")]
    assert folder.read_manifest()["stages"]["extract_cams"]["warnings"] == ["slow"]
    folder.mark_done("extract_cams", "x", cost.figures())
    assert folder.read_manifest()["stages"]["extract_cams"]["warnings"] == ["slow"]


def test_what_is_warned_of_before_any_stage_is_that_of_the_last_sitting(folder: RunFolder) -> None:
    heard = Heard()
    noting_progress(heard, folder).warn("2 images cannot be read")
    assert folder.read_manifest()["warnings"] == ["2 images cannot be read"]
    noting_progress(heard, folder)
    assert "warnings" not in folder.read_manifest()
    assert heard.told == [("warn", "2 images cannot be read")]


def test_other_processes_than_the_first_note_nothing(folder: RunFolder, clock: Clock) -> None:
    class Second(Fabric):
        is_global_zero = False
        world_size = 2

    before = folder.manifest_path.read_text()
    with cost_of(folder, kind=Second) as cost:
        clock.now_s += 3.0
        cost.progress.warn("slow")
        with cost.progress.task("Extracting CAMs", total=2) as task:
            clock.now_s += 60.0
            task.advance(2)
    assert folder.manifest_path.read_text() == before
