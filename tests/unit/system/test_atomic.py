import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tagseg import errors
from tagseg.errors import ArtifactError
from tagseg.system.atomic import PART_SUFFIX, atomic_path, atomic_write, remove_leftovers

# A child process needs the artifacts alone: this stands in for the package's root, which imports torch and much more.
CHILD = f"""
import sys, types
root = types.ModuleType("tagseg")
root.__path__ = {[str(Path(errors.__file__).parent)]!r}
sys.modules["tagseg"] = root
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_write_makes_parents_and_leaves_nothing_else(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a" / "b" / "c.bin", b"content")
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"content"
    assert names(tmp_path / "a" / "b") == ["c.bin"]


def test_a_writer_function_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "c.bin"
    atomic_write(path, b"old")

    def fail(file: object) -> None:
        file.write(b"half of the ne")  # pyright: ignore
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        atomic_write(path, fail)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["c.bin"]


def test_the_final_name_holds_the_old_content_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
        assert temporary.name.endswith(PART_SUFFIX)
    assert path.read_text() == "new"


def test_the_file_gets_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    atomic_write(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_kill_9_in_the_middle_keeps_the_old_file_and_the_rest_is_swept_up(tmp_path: Path) -> None:
    path = tmp_path / "c.bin"
    atomic_write(path, b"old")
    script = f"""{CHILD}
import os, signal
from pathlib import Path
from tagseg.system.atomic import atomic_write
def write(file):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
atomic_write(Path({str(path)!r}), write)
"""
    died = subprocess.run([sys.executable, "-c", script], check=False, timeout=120)
    assert died.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(names(tmp_path)) == 2
    assert remove_leftovers(tmp_path) == 1
    assert names(tmp_path) == ["c.bin"]


def test_leftovers_are_only_hidden_part_files_at_any_depth(tmp_path: Path) -> None:
    for name in ("deep/.x.npz.00ff00ff.part", "a.part", ".hidden", "b.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert remove_leftovers(tmp_path) == 1
    assert names(tmp_path) == [".hidden", "a.part", "b.txt", "deep"]


def test_a_leftover_that_cannot_be_deleted_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".x.npz.00ff00ff.part"
    path.write_text("")

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(1, "Operation not permitted", str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ArtifactError) as caught:
        remove_leftovers(tmp_path)
    assert (caught.value.problem, caught.value.help) == (
        f"{path}, which a killed run left, could not be deleted, got 'Operation not permitted'",
        "delete it, or correct the permissions of its folder, then run the same command again",
    )


def test_a_folder_of_such_a_name_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / ".x.npz.00ff00ff.part").mkdir()
    assert remove_leftovers(tmp_path) == 0


def test_too_few_open_files_are_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: object, **options: object) -> None:
        raise OSError(24, "Too many open files", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ArtifactError) as caught:
        atomic_write(tmp_path / "a", b"")
    assert (caught.value.problem, caught.value.help) == (
        f"{tmp_path / 'a'} could not be written, got 'Too many open files'",
        "let a process have more open files (ulimit -n 1024), then run the same command again",
    )


def test_a_full_disk_is_an_error_that_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "c.bin"
    atomic_write(path, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # a file may not grow past 1,000 bytes
    try:
        with pytest.raises(ArtifactError) as caught:
            atomic_write(path, os.urandom(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.problem == f"{path} could not be written, got 'File too large'"
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["c.bin"]


@pytest.mark.skipif(os.name == "nt", reason="no modes there")
def test_a_file_is_as_readable_as_any_other_whoever_writes_it(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "weights") as temporary:
        temporary.touch(mode=0o600)
    (tmp_path / "other").touch()
    assert (tmp_path / "weights").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_long_names_fit(tmp_path: Path) -> None:
    name = "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 83 + ".png"  # 253 bytes
    atomic_write(tmp_path / name, b"abc")
    assert [path.name for path in tmp_path.iterdir()] == [name]
