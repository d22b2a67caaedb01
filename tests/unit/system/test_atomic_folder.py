"""A folder that appears whole or not at all."""

from pathlib import Path

import pytest

from tagseg.errors import ArtifactError
from tagseg.system.atomic_folder import atomic_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_at_its_place_until_the_block_ends(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "deep" / "out") as folder:
        (folder / "a").mkdir()
        (folder / "a" / "b.txt").write_text("b")
        assert not (tmp_path / "deep" / "out").exists()
    assert (tmp_path / "deep" / "out" / "a" / "b.txt").read_text() == "b"
    assert names(tmp_path / "deep") == ["out"]
    assert names(tmp_path / "deep" / "out") == ["a"]


def test_a_block_that_raises_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").touch()
    with pytest.raises(RuntimeError, match="stop"), atomic_folder(tmp_path / "out") as folder:
        (folder / "new.txt").touch()
        raise RuntimeError("stop")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["old.txt"]


def test_a_new_folder_takes_the_place_of_an_old_one(tmp_path: Path) -> None:
    for name in ("old.txt", "new.txt"):
        with atomic_folder(tmp_path / "out") as folder:
            (folder / name).touch()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["new.txt"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    for left in (".out.part", ".out.old.part"):
        (tmp_path / left / "deep").mkdir(parents=True)
        (tmp_path / left / "deep" / "half.png").touch()
    (tmp_path / "out").mkdir()
    with atomic_folder(tmp_path / "out") as folder:
        assert names(folder) == [".writing"]
        (folder / "whole.png").touch()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["whole.png"]


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "mine.txt").touch()
        with pytest.raises(ArtifactError, match="takes one run at a time"), atomic_folder(tmp_path / "out"):
            raise AssertionError("it was lent twice")
        assert names(folder) == [".writing", "mine.txt"]
    assert names(tmp_path / "out") == ["mine.txt"]


def test_a_disk_that_refuses_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"out could not be written, got 'No space left on device'"):
        with atomic_folder(tmp_path / "out"):
            raise OSError(28, "No space left on device")
    assert names(tmp_path) == []
