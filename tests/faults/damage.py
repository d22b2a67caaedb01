"""What can become of a file on a disk."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

Damage = Callable[[Path, Random], object]


def truncate(path: Path, rng: Random) -> None:
    os.truncate(path, rng.randrange(max(1, path.stat().st_size)))


def empty(path: Path, rng: Random) -> None:
    os.truncate(path, 0)


def remove(path: Path, rng: Random) -> None:
    path.unlink()


def flip_a_bit(path: Path, rng: Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def zero_a_block(path: Path, rng: Random) -> None:
    content = bytearray(path.read_bytes())
    start = rng.randrange(len(content))
    block = content[start : start + 4096]
    content[start : start + 4096] = bytes(len(block))
    path.write_bytes(content)


def halve_and_leave_the_part(path: Path, rng: Random) -> None:
    content = path.read_bytes()
    path.with_name(f".{path.name}.0123abcd.part").write_bytes(content[: len(content) // 3])
    path.write_bytes(content[: len(content) // 2])


def put_a_folder(path: Path, rng: Random) -> None:
    path.unlink()
    path.mkdir()


def replace_by(other: Path, path: Path) -> None:
    """Put another file, or folder, in the place of one."""
    if other.is_dir():
        shutil.rmtree(path)
        shutil.copytree(other, path)
    else:
        shutil.copyfile(other, path)
