"""The journal of seals: which files of a run are not those that its stages wrote."""

import os
import shutil
from pathlib import Path

import pytest
from kit.files import write

from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.seals import Seals
from tagseg.errors import ArtifactError


@pytest.fixture
def seals(tmp_path: Path) -> Seals:
    return Seals(tmp_path, tmp_path / ".seals")


def changed_names(seals: Seals, folder: str) -> list[str]:
    return [path.relative_to(seals.root).as_posix() for path in seals.changed(seals.root / folder)]


def test_another_content_is_found_and_the_last_seal_counts(seals: Seals, tmp_path: Path) -> None:
    made = [write(tmp_path / "maps" / name, "one") for name in ("a.npz", "trip/b.npz")]
    seals.note(made)
    assert changed_names(seals, "maps") == []
    made[1].write_text("two")
    assert changed_names(seals, "maps") == ["maps/trip/b.npz"]
    assert changed_names(seals, "maps/a.npz") == []
    assert changed_names(seals, "map") == []  # a folder of a longer name is another one
    seals.note(made[1:])
    assert changed_names(seals, "maps") == []


def test_a_copy_is_the_same_and_another_size_is_not(seals: Seals, tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", "one")
    seals.note([path])
    os.utime(path, ns=(7, 7))
    assert seals.changed(tmp_path / "a.png") == []
    path.write_text("longer")
    os.utime(path, ns=(7, 7))
    assert seals.changed(tmp_path / "a.png") == [path]


def test_what_is_gone_is_not_changed_and_a_folder_is(seals: Seals, tmp_path: Path) -> None:
    path = write(tmp_path / "maps" / "a.npz", "one")
    seals.note([path])
    path.unlink()
    assert seals.changed(tmp_path / "maps") == []
    path.mkdir()
    assert seals.changed(tmp_path / "maps") == [path]


def test_what_is_made_anew_has_no_seal(seals: Seals, tmp_path: Path) -> None:
    made = [write(tmp_path / folder / "a.npz", "one") for folder in ("maps", "masks")]
    seals.note(made)
    seals.forget(tmp_path / "maps")
    for path in made:
        path.write_text("two")
    assert seals.changed(tmp_path / "maps") == []
    assert seals.changed(tmp_path / "masks") == [made[1]]
    assert seals.unsealed(made) == made[:1]


def test_a_kill_spoils_the_last_line_alone(seals: Seals, tmp_path: Path) -> None:
    made = [write(tmp_path / name, "one") for name in ("a", "b", "c")]
    seals.note(made[:2])
    text = seals.path.read_bytes()
    seals.path.write_bytes(text[:-6])
    seals.note(made[2:])
    for path in made:
        path.write_text("two")
    assert [path.name for name in "abc" for path in seals.changed(tmp_path / name)] == ["a", "c"]


def test_any_name_can_be_sealed(seals: Seals, tmp_path: Path) -> None:
    made = [write(tmp_path / "maps" / name, "one") for name in ('a\n"b', "größe", os.fsdecode(b"\xff"))]
    seals.note(made)
    assert seals.unsealed(made) == []
    made[2].write_text("two")
    assert seals.changed(tmp_path / "maps") == made[2:]


def test_without_a_journal_every_file_is_taken_as_it_is(seals: Seals, tmp_path: Path) -> None:
    assert seals.changed(write(tmp_path / "a", "one")) == []
    seals.forget(tmp_path / "a")
    assert not seals.path.exists()


@pytest.mark.parametrize("junk", [b"\xff\xfe", b"[]", b"[1, 2]", b'["a", 1]', b'["a", -1, 0, 0]', b"{}", b"[[[["])
def test_other_lines_are_left_out(seals: Seals, tmp_path: Path, junk: bytes) -> None:
    path = write(tmp_path / "b", "one")
    seals.note([path])
    seals.path.write_bytes(junk + seals.path.read_bytes() + junk)
    path.write_text("two")
    assert seals.changed(path) == [path]


def test_a_file_that_cannot_be_read_is_an_error(seals: Seals, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="must be readable"):
        seals.note([tmp_path / "nothing"])


def test_a_stage_that_ends_seals_what_has_no_seal(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    made = [write(run.output("extract_cams") / name, "one") for name in ("a.npz", "b.npz")]
    run.mark_started("extract_cams", "x")
    run.seals.note(made[:1])
    made[0].write_text("damaged while it was at work")
    run.mark_done("extract_cams", "x")
    assert run.seals.unsealed(made) == []
    assert run.seals.changed(run.output("extract_cams")) == made[:1]
    run.mark_started("extract_cams", "x")  # the same: what is there stays
    assert run.seals.changed(run.output("extract_cams")) == made[:1]
    run.mark_started("extract_cams", "y")
    assert run.seals.unsealed(made) == made


def test_a_run_that_was_moved_is_the_same(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    write(run.output("extract_cams") / "a.npz", "one")
    run.mark_started("extract_cams", "x")
    run.mark_done("extract_cams", "x")
    shutil.copytree(run.root, tmp_path / "copy", copy_function=shutil.copyfile)
    moved = RunFolder(tmp_path / "copy")
    assert moved.seals.changed(moved.output("extract_cams")) == []
    (moved.output("extract_cams") / "a.npz").write_text("two")
    assert len(moved.seals.changed(moved.output("extract_cams"))) == 1


def test_checkpoints_and_curves_are_not_sealed(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    names = ("checkpoint.safetensors", "checkpoint.previous.safetensors", "curves.csv", "tensorboard/events", ".hidden")
    for name in (*names, "classifier.safetensors", "region_scores.npz"):
        write(run.output("train_classifier") / name, "x")
    assert [path.name for path in run.lasting_files("train_classifier")] == ["classifier.safetensors"]
    run.mark_started("train_classifier", "x")
    run.seals.note([run.region_scores])
    run.mark_done("train_classifier", "x")
    run.region_scores.write_text("damaged, when nothing reads it any more")
    assert run.seals.changed(run.output("train_classifier")) == []
