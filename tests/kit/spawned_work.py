"""Work for spawned processes: they find it by the name of its module, so it cannot lie in a test."""

import atexit
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from kit.processes import copies
from tagseg.errors import DataError
from tagseg.training import engine
from tagseg.training.engine import EngineSettings

TWO_PROCESSES = EngineSettings(accelerator="cpu", devices=2, threads=1)


def fork_launches(patch: pytest.MonkeyPatch) -> None:
    """Have `launch` copy its processes, for tests of what they do together; those of the start leave it as it is."""
    copies()

    def strategy(*, start_method: str, **options: Any) -> DDPStrategy:
        return DDPStrategy(start_method="forkserver" if start_method == "spawn" else "popen", **options)

    patch.setattr(engine, "DDPStrategy", strategy)


def report(fabric: Fabric, offset: int) -> tuple[int, int, int, int]:
    """Return rank, processes, the sum of rank + offset over them, and threads."""
    total = fabric.all_reduce(torch.tensor(float(fabric.global_rank + offset)), reduce_op="sum")
    return fabric.global_rank, fabric.world_size, int(total), torch.get_num_threads()


def report_and_note_group_at_exit(fabric: Fabric, offset: int, folder: Path) -> tuple[int, int, int, int]:
    """Do as `report`, and write down, when the process ends, whether it still belongs to a group."""
    path = folder / f"{fabric.global_rank}.txt"
    atexit.register(lambda: path.write_text(str(torch.distributed.is_initialized())))
    return report(fabric, offset)


def fail_in_rank_1(fabric: Fabric, path: str) -> None:
    """Raise an error in the second process, for which the first one waits."""
    if fabric.global_rank == 1:
        raise DataError(f"{path}: image can be decoded, got 0 bytes", help="replace the file")
    fabric.barrier()


def work_longer_in_rank_0(fabric: Fabric, seconds: float) -> int:
    """Let the first process work alone, for which the second one waits."""
    if fabric.global_rank == 0:
        time.sleep(seconds)
    fabric.barrier()
    return 7


def wait_for_ever(fabric: Fabric, folder: Path) -> None:
    """Leave a file named after the process, then do nothing."""
    (folder / f"{os.getpid()}.txt").touch()
    time.sleep(300)
