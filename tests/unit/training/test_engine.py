"""Devices, threads and processes: what is chosen, why, and what comes back from spawned processes."""

import os
import socket
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from kit.processes import is_running, python, wait_until
from kit.spawned_work import TWO_PROCESSES, fail_in_rank_1, report, report_and_note_group_at_exit, work_longer_in_rank_0
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from tagseg.errors import DataError, DeviceError
from tagseg.training import engine
from tagseg.training.engine import EngineSettings, launch, started_by_launcher, thread_count


@pytest.fixture(autouse=True)
def own_threads():
    """Give the number of threads back: work that runs in this process sets it."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


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


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """What two processes that were spawned gave back, and the folder in which they left notes at their end."""
    folder = tmp_path_factory.mktemp("notes")
    return launch(TWO_PROCESSES, report_and_note_group_at_exit, 10, folder), folder


def test_two_processes_work_together_and_the_first_ones_value_comes_back(launched):
    # (rank, processes, 10 + 11, threads)
    assert launched[0] == (0, 2, 21, 1)


def test_no_process_ends_while_it_belongs_to_a_group(launched):
    assert {path.name: path.read_text() for path in launched[1].iterdir()} == {"0.txt": "False", "1.txt": "False"}


def test_the_error_of_another_process_arrives_as_it_was_raised():
    with pytest.raises(DataError) as caught:
        launch(TWO_PROCESSES, fail_in_rank_1, "photos/a.jpg")
    assert caught.value.problem == "photos/a.jpg: image can be decoded, got 0 bytes"
    assert caught.value.help == "replace the file"


def test_a_process_that_dies_without_a_word_is_a_device_error(monkeypatch):
    def die(*args: object) -> None:
        raise ProcessExitedException("process 1 terminated with exit code 9", error_index=1, error_pid=7, exit_code=9)

    monkeypatch.setattr(Fabric, "launch", die)
    with pytest.raises(DeviceError, match="process 1 terminated with exit code 9"):
        launch(TWO_PROCESSES, report, 0)


def test_the_first_process_may_work_alone_for_longer_than_the_scores_of_coco_take() -> None:
    assert timedelta(hours=12) < engine.LONGEST_ALONE
    assert launch(TWO_PROCESSES, work_longer_in_rank_0, 9.0) == 7


def test_the_first_process_may_work_alone_no_longer_than_the_engine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LONGEST_ALONE", timedelta(seconds=3))
    with pytest.raises(DeviceError, match="all processes of a run work to its end"):
        launch(TWO_PROCESSES, work_longer_in_rank_0, 9.0)


def test_a_port_that_another_program_took_in_between_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("", 0)) as other:
        monkeypatch.setenv("MASTER_PORT", str(other.getsockname()[1]))  # what Fabric takes for a free one
        assert launch(TWO_PROCESSES, report, 10) == (0, 2, 21, 1)


def test_without_a_free_port_the_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def take(*args: object) -> None:
        tried.append(args)
        raise ProcessRaisedException("server socket has failed to bind (errno: 98, EADDRINUSE)", 0, 7)

    monkeypatch.setattr(Fabric, "launch", take)
    with pytest.raises(DeviceError, match="EADDRINUSE"):
        launch(TWO_PROCESSES, report, 0)
    assert len(tried) == 3


WAITING = """
import sys
from pathlib import Path
from kit.spawned_work import TWO_PROCESSES, wait_for_ever
from tagseg.training.engine import launch
if __name__ == "__main__":
    launch(TWO_PROCESSES, wait_for_ever, Path(sys.argv[1]))
"""


def test_processes_end_with_the_one_that_spawned_them(tmp_path: Path) -> None:
    with python(WAITING, tmp_path, stderr=subprocess.DEVNULL) as parent:
        started = wait_until(lambda: len(list(tmp_path.glob("*.txt"))) == 2)
        parent.kill()  # alone: its children are to notice
        parent.wait()
        assert started
        children = [int(path.stem) for path in tmp_path.glob("*.txt")]
        assert wait_until(lambda: not any(is_running(child) for child in children))


def slurm(monkeypatch, **variables):
    for name in ("WORLD_SIZE", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("variables", "problem", "help"),
    [
        (
            {"SLURM_NTASKS": "4"},
            "a SLURM job of several tasks says how many run on each node, got SLURM_NTASKS=4 and no "
            "SLURM_NTASKS_PER_NODE",
            "submit it with --ntasks-per-node, of the number of engine.devices, in the place of --ntasks; "
            "for a single process unset SLURM_NTASKS",
        ),
        (
            {"SLURM_NTASKS": "four"},
            "environment variable SLURM_NTASKS must be a number of processes, got 'four'",
            "unset SLURM_NTASKS, or start tagseg with torchrun or srun, which set it",
        ),
        (
            {"WORLD_SIZE": ""},
            "environment variable WORLD_SIZE must be a number of processes, got ''",
            "unset WORLD_SIZE, or start tagseg with torchrun or srun, which set it",
        ),
    ],
)
def test_what_a_launcher_leaves_out_is_said(monkeypatch, variables, problem, help):
    slurm(monkeypatch, **variables)
    with pytest.raises(DeviceError) as caught:
        launch(EngineSettings(accelerator="cpu"), nothing)
    assert (caught.value.problem, caught.value.help) == (problem, help)


def test_a_slurm_job_of_one_task_is_a_run_of_one_process(monkeypatch):
    slurm(monkeypatch, SLURM_NTASKS="1")
    assert launch(EngineSettings(accelerator="cpu"), nothing) == 7


def test_a_fabric_that_slurm_does_not_suit_is_one_sentence(monkeypatch):
    slurm(monkeypatch, SLURM_NTASKS="2", SLURM_NTASKS_PER_NODE="2")

    def refuse(**settings):
        raise ValueError("You set `devices=1` in Lightning, but the number of tasks per node is 2")

    monkeypatch.setattr(engine, "Fabric", refuse)
    with pytest.raises(DeviceError) as caught:
        launch(EngineSettings(accelerator="cpu"), nothing)
    assert caught.value.problem == (
        "engine.devices (1) and engine.nodes (1) are the tasks on each node and the nodes of the SLURM job, "
        "got SLURM_NTASKS=2 and SLURM_NTASKS_PER_NODE=2"
    )


@pytest.mark.parametrize(
    ("devices", "nodes", "here", "all_of_them", "add"),
    [
        (1, 1, 2, 2, "--devices 2"),  # without a word each process would be a run of its own
        (4, 1, 2, 2, "--devices 2"),
        (2, 1, 1, 1, "--devices 1"),
        (4, 1, 2, 4, "--devices 2 --set engine.nodes=2"),
    ],
)
def test_torchrun_starts_as_many_processes_as_the_run_asks_for(monkeypatch, devices, nodes, here, all_of_them, add):
    variables = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": str(here), "WORLD_SIZE": str(all_of_them)}
    slurm(monkeypatch, **variables)
    with pytest.raises(DeviceError) as caught:
        launch(EngineSettings(accelerator="cpu", devices=devices, nodes=nodes), nothing)
    assert caught.value.problem == (
        f"engine.devices ({devices}) and engine.nodes ({nodes}) are the processes on each machine and the machines of "
        f"torchrun, got {here} processes on this machine and {all_of_them} in all"
    )
    assert caught.value.help == f"add {add}, or start other numbers of processes"


class SecondOfTwo(Fabric):
    """A process of a launcher that has found the others."""

    global_rank = 1

    def __init__(self, **settings):
        self.settings = settings

    def launch(self):
        assert isinstance(self.settings["strategy"], DDPStrategy)


GLOO = "[third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:52391."


@pytest.mark.parametrize("error", [RuntimeError(GLOO), torch.distributed.DistNetworkError("failed to recv")])
def test_a_process_whose_others_ended_says_so_in_one_sentence(monkeypatch, error):
    slurm(monkeypatch, TORCHELASTIC_RUN_ID="none", LOCAL_WORLD_SIZE="2", WORLD_SIZE="2")
    monkeypatch.setattr(engine, "Fabric", SecondOfTwo)
    with pytest.raises(DeviceError) as caught:
        launch(EngineSettings(accelerator="cpu", devices=2, threads=1), fail_with, error)
    assert caught.value.problem == "all processes of a run work to its end, got one that ended before process 1 did"
    assert caught.value.help == "see what the other one said, then run the same command again to continue"


def test_another_error_beside_others_stays_what_it_is(monkeypatch):
    slurm(monkeypatch, TORCHELASTIC_RUN_ID="none", LOCAL_WORLD_SIZE="2", WORLD_SIZE="2")
    monkeypatch.setattr(engine, "Fabric", SecondOfTwo)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        launch(EngineSettings(accelerator="cpu", devices=2, threads=1), fail_with, RuntimeError("shapes do not match"))


def fail_with(fabric, error):
    raise error


def nothing(fabric):
    return 7


@pytest.mark.parametrize(("value", "threads"), [("3,2", 3), (" 2 ", 2), ("many", 12), ("-1", 12), ("", 12)])
def test_omp_num_threads_of_other_forms(monkeypatch, value, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert thread_count(EngineSettings()) == threads
