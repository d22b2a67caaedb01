"""Devices, threads and processes: what is chosen, why, and what comes back from spawned processes."""

import atexit
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.multiprocessing.spawn import ProcessExitedException

from tagseg.errors import DataError, DeviceError
from tagseg.training.engine import EngineSettings, launch, started_by_launcher, thread_count

TWO_PROCESSES = EngineSettings(accelerator="cpu", devices=2, threads=1)


@pytest.fixture(autouse=True)
def own_threads():
    """Give the number of threads back: work that runs in this process sets it."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


# Spawned processes find their work by its name, so it stands at the top of a module.
def report(fabric, offset: int) -> tuple[int, int, int, int]:
    total = fabric.all_reduce(torch.tensor(float(fabric.global_rank + offset)), reduce_op="sum")
    return fabric.global_rank, fabric.world_size, int(total), torch.get_num_threads()


def note_group_at_exit(fabric, folder: Path) -> None:
    path = folder / f"{fabric.global_rank}.txt"
    atexit.register(lambda: path.write_text(str(torch.distributed.is_initialized())))


def fail_in_rank_1(fabric, path: str) -> None:
    if fabric.global_rank == 1:
        raise DataError(f"{path}: image can be decoded, got 0 bytes", help="replace the file")
    fabric.barrier()


@pytest.mark.parametrize(
    ("limit", "devices", "threads", "expected"),
    [
        ("6", 1, None, 6),
        ("6", 2, None, 3),
        ("7", 2, None, 3),
        ("2", 8, None, 1),
        ("6", 2, 5, 5),
    ],
)
def test_processes_share_what_omp_num_threads_grants(monkeypatch, limit, devices, threads, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert thread_count(EngineSettings(devices=devices, threads=threads)) == expected


@pytest.mark.parametrize("value", [None, "0"])
def test_without_omp_num_threads_processes_share_the_machine(monkeypatch, value):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if value is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert thread_count(EngineSettings(devices=3)) == 4


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, False), ({"WORLD_SIZE": "1"}, False), ({"WORLD_SIZE": "2"}, True), ({"SLURM_NTASKS": "4"}, True)],
)
def test_torchrun_and_slurm_are_recognised(monkeypatch, variables, expected):
    for name in ("WORLD_SIZE", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert started_by_launcher() is expected


def test_one_device_works_in_this_process():
    process = []
    result = launch(EngineSettings(accelerator="cpu", threads=1), lambda fabric, name: process.append(os.getpid()), "x")
    assert result is None
    assert process == [os.getpid()]
    assert torch.get_num_threads() == 1


def test_two_processes_work_together_and_the_first_ones_value_comes_back():
    # (rank, processes, 10 + 11, threads)
    assert launch(TWO_PROCESSES, report, 10) == (0, 2, 21, 1)


def test_no_process_ends_while_it_belongs_to_a_group(tmp_path):
    launch(TWO_PROCESSES, note_group_at_exit, tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"0.txt": "False", "1.txt": "False"}


def test_the_error_of_another_process_arrives_as_it_was_raised():
    with pytest.raises(DataError) as caught:
        launch(TWO_PROCESSES, fail_in_rank_1, "photos/a.jpg")
    assert caught.value.problem == "photos/a.jpg: image can be decoded, got 0 bytes"
    assert caught.value.help == "replace the file"


def test_a_process_that_dies_without_a_word_is_a_device_error(monkeypatch):
    def die(*args: object) -> None:
        raise ProcessExitedException("process 1 terminated with exit code 9", error_index=1, error_pid=7, exit_code=9)

    monkeypatch.setattr("tagseg.training.engine.Fabric.launch", die)
    with pytest.raises(DeviceError, match="process 1 terminated with exit code 9"):
        launch(TWO_PROCESSES, report, 0)


def wait_for_ever(fabric, folder: Path) -> None:
    (folder / f"{os.getpid()}.txt").touch()
    time.sleep(300)


def test_processes_end_with_the_one_that_spawned_them(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
import tests.unit.training.test_engine as test_engine
if __name__ == "__main__":
    test_engine.launch(test_engine.TWO_PROCESSES, test_engine.wait_for_ever, Path({str(tmp_path)!r}))
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        started = wait_until(lambda: len(list(tmp_path.glob("*.txt"))) == 2)
    finally:
        parent.kill()
        parent.wait()
    assert started
    children = [int(path.stem) for path in tmp_path.glob("*.txt")]
    assert wait_until(lambda: not any(is_running(child) for child in children))


def wait_until(happened: Callable[[], bool], *, seconds: float = 200) -> bool:
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    return happened()


def is_running(process: int) -> bool:
    """Whether it works; one that ended and whose end nobody has asked for (a zombie) does not."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, ValueError):
        return False
