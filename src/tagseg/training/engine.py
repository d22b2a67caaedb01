"""Devices, precision and processes, through Lightning Fabric."""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from tagseg.errors import DeviceError, TagsegError
from tagseg.system.allocator import freed_memory_kept
from tagseg.system.orphans import end_with_parent
from tagseg.training.accelerator import choose_accelerator

T = TypeVar("T")
_PORTS_TRIED = 3
LONGEST_ALONE = timedelta(days=1)
"""How long the first process may work while the others wait: it alone scores, which takes hours on COCO."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What to run on.

    Args:
        accelerator: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        devices: processes on each node, 1 or more; each has its own device (on a CPU they share it).
        nodes: machines, 1 or more.
        precision: ``32-true`` or ``bf16-mixed``.
        threads: CPU threads of each process, or None for the machine's cores divided by ``devices``.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "32-true"
    threads: int | None = None


def thread_count(settings: EngineSettings) -> int:
    """Return the CPU threads of each process.

    The result of a CPU run depends on the number of threads in its last bits, so the manifest records it.
    """
    # OMP_NUM_THREADS is the user's word on how much of the machine to take.
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list is for threads inside threads
    limit = (int(first) if first.isascii() and first.isdecimal() else 0) or os.cpu_count() or 1
    return settings.threads or max(1, limit // settings.devices)


def launch(settings: EngineSettings, work: Callable[..., T], *args: object) -> T:
    """Run ``work(fabric, *args)`` in every process of the run and return the first process's result.

    With one device the work runs here. With several on one machine they are spawned; under torchrun or SLURM each
    process is already one of them. Arguments must survive pickling.

    Raises:
        DeviceError: when more devices are asked for than the machine has, a launcher started another number of
            processes, or one of them died.
        TagsegError: what the work raised, in whichever process.
    """
    accelerator, _ = choose_accelerator(settings.accelerator)
    if accelerator == "cuda" and settings.devices > torch.cuda.device_count():
        raise DeviceError(
            f"engine.devices asks for {settings.devices} CUDA devices, got {torch.cuda.device_count()}",
            help=f"set engine.devices={torch.cuda.device_count()}",
        )
    _check_slurm()
    _check_torchrun(settings)
    single, external, threads = settings.devices * settings.nodes == 1, started_by_launcher(), thread_count(settings)
    if not (single or external):
        return _spawn(settings, accelerator, work, threads, args)
    fabric = _make_fabric(settings, accelerator, start_method=None if single else "popen")
    fabric.launch()
    torch.set_num_threads(threads)
    with freed_memory_kept():
        return _beside_others(fabric, work, args) if external else work(fabric, *args)


def _spawn(
    settings: EngineSettings, accelerator: str, work: Callable[..., T], threads: int, args: tuple[object, ...]
) -> T:
    """Run the work in new processes, which speak to each other through a port that was free a moment ago."""
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "error.json"
        for tries_left in reversed(range(_PORTS_TRIED)):
            fabric = _make_fabric(settings, accelerator, start_method="spawn")
            try:
                # Fabric types its argument as taking nothing but itself; it hands the others on.
                return fabric.launch(_in_process, work, threads, note, args)  # pyright: ignore[reportArgumentType]
            except (ProcessRaisedException, ProcessExitedException) as error:
                if not (tries_left and "EADDRINUSE" in str(error)):
                    raise _told_error(note, error) from error
                os.environ.pop("MASTER_PORT", None)  # taken in between; the next Fabric looks for another one
    raise AssertionError("the last port is tried with no tries left")


def _make_fabric(
    settings: EngineSettings, accelerator: str, *, start_method: Literal["popen", "spawn"] | None
) -> Fabric:
    """Return what knows device and precision; without a start method for other processes, this one is alone."""
    strategy = DDPStrategy(start_method=start_method, timeout=LONGEST_ALONE) if start_method else "auto"
    try:
        return Fabric(
            accelerator=accelerator,
            devices=settings.devices,
            num_nodes=settings.nodes,
            strategy=strategy,
            precision=settings.precision,  # pyright: ignore[reportArgumentType]  (Fabric lists its strings as literals)
        )
    except (RuntimeError, ValueError) as error:
        if "SLURM_NTASKS" not in os.environ:
            raise
        tasks, per_node = os.environ["SLURM_NTASKS"], os.environ.get("SLURM_NTASKS_PER_NODE", "unset")
        raise DeviceError(
            f"engine.devices ({settings.devices}) and engine.nodes ({settings.nodes}) are the tasks on each node and "
            f"the nodes of the SLURM job, got SLURM_NTASKS={tasks} and SLURM_NTASKS_PER_NODE={per_node}",
            help="set both to what the job has; for a single process unset SLURM_NTASKS",
        ) from error


def started_by_launcher() -> bool:
    """Return whether torchrun or SLURM started this process as one of several."""
    return _number_of("WORLD_SIZE", default=_number_of("SLURM_NTASKS", default=1)) > 1


def _number_of(variable: str, *, default: int) -> int:
    """Return the number in a variable of the environment.

    Raises:
        DeviceError: when there is something else in it.
    """
    text = os.environ.get(variable)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise DeviceError(
            f"environment variable {variable} must be a number of processes, got '{text[:50]}'",
            help=f"unset {variable}, or start tagseg with torchrun or srun, which set it",
        )
    return int(text)


def _check_slurm() -> None:
    """Require a job of several tasks to say how many there are on each node: that is how they find each other."""
    tasks = _number_of("SLURM_NTASKS", default=1)
    if "WORLD_SIZE" in os.environ or tasks == 1 or "SLURM_NTASKS_PER_NODE" in os.environ:
        return
    raise DeviceError(
        f"a SLURM job of several tasks says how many run on each node, got SLURM_NTASKS={tasks} and no "
        "SLURM_NTASKS_PER_NODE",
        help="submit it with --ntasks-per-node, of the number of engine.devices, in the place of --ntasks; "
        "for a single process unset SLURM_NTASKS",
    )


def _check_torchrun(settings: EngineSettings) -> None:
    """Require torchrun to have started the processes that the run asks for; a run of one would start once in each."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    here, all_of_them = _number_of("LOCAL_WORLD_SIZE", default=1), _number_of("WORLD_SIZE", default=1)
    if (settings.devices, settings.devices * settings.nodes) == (here, all_of_them):
        return
    nodes = "" if all_of_them == here else f" --set engine.nodes={all_of_them // here}"
    raise DeviceError(
        f"engine.devices ({settings.devices}) and engine.nodes ({settings.nodes}) are the processes on each machine "
        f"and the machines of torchrun, got {here} processes on this machine and {all_of_them} in all",
        help=f"add --devices {here}{nodes}, or start other numbers of processes",
    )


def _beside_others(fabric: Fabric, work: Callable[..., T], args: tuple[object, ...]) -> T:
    """Do the work in one of the processes that a launcher started; when another one has ended, say so in a sentence.

    The other one has told its error. This one finds out where the two would speak to each other.
    """
    try:
        return work(fabric, *args)
    except RuntimeError as error:
        if not (isinstance(error, torch.distributed.DistError) or "gloo" in str(error)):
            raise
        raise DeviceError(
            f"all processes of a run work to its end, got one that ended before process {fabric.global_rank} did",
            help="see what the other one said, then run the same command again to continue",
        ) from error


def _in_process(fabric: Fabric, work: Callable[..., T], threads: int, note: Path, args: tuple[object, ...]) -> T:
    """Do the work in a spawned process; an error that a user can act on is written down for the parent."""
    end_with_parent()
    torch.set_num_threads(threads)
    try:
        with freed_memory_kept():
            result = work(fabric, *args)
    except TagsegError as error:
        # torch hands on the traceback's text only.
        note.write_text(json.dumps([type(error).__name__, error.problem, error.help]), encoding="utf-8")
        raise
    # Gloo's threads would live on into the end of the interpreter, which aborts a process whose threads still run; and
    # the first process holds what the others speak through, so none leaves before all are done.
    fabric.barrier()
    torch.distributed.destroy_process_group()
    return result


def _told_error(note: Path, error: Exception) -> TagsegError:
    """Return the error that a spawned process wrote down, or one that says that it died."""
    if not note.exists():
        return DeviceError(
            f"all processes of a run work to its end, got one that died: {str(error).strip().splitlines()[-1]}",
            help="run the same command again to continue; with too little memory lower the batch_size of this stage",
        )
    name, problem, help = json.loads(note.read_text(encoding="utf-8"))
    kinds = {kind.__name__: kind for kind in TagsegError.__subclasses__()}
    return kinds.get(name, TagsegError)(problem, help=help)
