"""What a machine can run out of, brought about in the process that is to suffer from it."""

import errno
import os
import resource
import subprocess
import tempfile
from pathlib import Path

from faults.scene import Scene

NOBODY = 65534
FEW_BYTES = 3000
A_LITTLE = 2 * 2**20


def no_space(scene: Scene) -> None:
    """As of a disk that takes what is written and has no place for it when it is to keep it."""

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    os.fsync = refuse


def short_files(scene: Scene) -> None:
    """As a full disk, in the middle of a file: what is written beyond a few bytes fails."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (FEW_BYTES, FEW_BYTES))


def no_writing(scene: Scene) -> None:
    """Take the right to write in the run folder; root has it everywhere and becomes another user."""
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    else:
        for folder in [scene.run, *(path for path in scene.run.rglob("*") if path.is_dir())]:
            folder.chmod(0o555)


def allow_writing(case: object) -> None:
    """Give it back; the next process is root again by itself."""
    run: Path = case.scene.run  # type: ignore[attr-defined]
    for folder in [run, *(path for path in run.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)


def few_descriptors(scene: Scene) -> None:
    used = len(list(Path("/dev/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def little_memory(scene: Scene) -> None:
    """Leave no more than a few megabytes to what is there already."""
    status = Path("/proc/self/statm")
    taken = int(status.read_text().split()[0]) * resource.getpagesize() if status.exists() else 2**30
    resource.setrlimit(resource.RLIMIT_AS, (taken + A_LITTLE, resource.RLIM_INFINITY))


def mount(scene: Scene, *, share: float) -> None:
    """Give the run folder a disk of its own with room for a share of a run (about 1.5 MB)."""
    scene.run.mkdir()
    size = f"size={int(share * 1500)}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", scene.run], check=True, capture_output=True)


def unmount(scene: Scene) -> None:
    if scene.run.is_mount():
        subprocess.run(["umount", "--lazy", scene.run], check=True, capture_output=True)


def can_mount() -> bool:
    """Whether this process may mount a small disk: as root, where no container forbids it."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", folder], check=True, capture_output=True)
        return mounted.returncode == 0
