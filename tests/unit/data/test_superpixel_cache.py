"""The cache of superpixels: found by content, never computed twice, whole after any kill."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit.heard import Heard
from kit.processes import is_running, wait_until
from PIL import Image

from tagseg.data import superpixel_cache, superpixels
from tagseg.data.drawn_pictures import generate_image
from tagseg.data.superpixel_cache import SuperpixelCache, SuperpixelSettings
from tagseg.data.superpixels import compute_regions
from tagseg.errors import DataError
from tagseg.types import ImageRecord

FEW = SuperpixelSettings(max_regions=8)


def records(folder: Path, count: int) -> list[ImageRecord]:
    """Write ``count`` images of 64 x 48 pixels."""
    folder.mkdir(exist_ok=True)
    made = []
    for index in range(count):
        path = folder / f"{index:03d}.png"
        Image.fromarray(generate_image(0, index, size=(48, 64))[0]).save(path)
        made.append(ImageRecord(path.stem, path, ()))
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def forbid_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(superpixels, "compute_regions", fail)


def test_what_is_read_is_what_was_computed(tmp_path: Path) -> None:
    (record,) = records(tmp_path / "images", 1)
    cache = SuperpixelCache(tmp_path / "cache", FEW)
    assert cache.compute_missing([record]) == []
    regions = cache.read(record.image_path)
    assert regions.dtype == np.int32
    image = np.asarray(Image.open(record.image_path))
    np.testing.assert_array_equal(regions, compute_regions(image, method="felzenszwalb", max_regions=8))


def test_more_than_256_regions_fit_the_file(tmp_path: Path) -> None:
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)).save(path)
    cache = SuperpixelCache(tmp_path / "cache", SuperpixelSettings(max_regions=65_535))
    first = cache.read(path)
    assert first.max() > 255
    np.testing.assert_array_equal(cache.read(path), first)


def test_nothing_is_computed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = records(tmp_path / "images", 3)
    cache = SuperpixelCache(tmp_path / "cache", FEW)
    cache.compute_missing(some)
    before = cache.read(some[0].image_path)
    forbid_computing(monkeypatch)
    assert cache.compute_missing(some) == []
    np.testing.assert_array_equal(cache.read(some[0].image_path), before)


def test_a_renamed_copy_is_found_and_a_changed_image_is_not(tmp_path: Path) -> None:
    first, second = records(tmp_path / "images", 2)
    cache = SuperpixelCache(tmp_path / "cache", FEW)
    copy = tmp_path / "another name.png"
    copy.write_bytes(first.image_path.read_bytes())
    assert cache.path(copy) == cache.path(first.image_path)
    copy.write_bytes(second.image_path.read_bytes())
    assert cache.path(copy) == cache.path(second.image_path) != cache.path(first.image_path)


def test_parameters_have_their_own_folders(tmp_path: Path) -> None:
    (record,) = records(tmp_path / "images", 1)
    paths = {
        SuperpixelCache(tmp_path, SuperpixelSettings(method=method, max_regions=count)).path(record.image_path)
        for method in ("felzenszwalb", "slic")
        for count in (8, 64)
    }
    assert len(paths) == 4


@given(cut=st.floats(0, 1, exclude_max=True), flip=st.one_of(st.none(), st.floats(0, 1, exclude_max=True)))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_computed_again_or_still_sound(tmp_path: Path, cut: float, flip: float | None) -> None:
    (record,) = records(tmp_path / "images", 1)
    cache = SuperpixelCache(tmp_path / "cache", FEW)
    expected = cache.read(record.image_path)
    path = cache.path(record.image_path)
    whole = bytearray(path.read_bytes())
    if flip is None:
        path.write_bytes(whole[: int(cut * len(whole))])
    else:
        whole[int(flip * len(whole))] ^= 0xFF
        path.write_bytes(whole)
    np.testing.assert_array_equal(cache.read(record.image_path), expected)
    path.unlink()


@pytest.mark.parametrize("mode", ["RGB", "I;16"])
def test_a_file_that_holds_no_such_regions_is_computed_again(tmp_path: Path, mode: str) -> None:
    (record,) = records(tmp_path / "images", 1)
    cache = SuperpixelCache(tmp_path / "cache", FEW)
    expected = cache.read(record.image_path)
    Image.new(mode, (64, 48), 4000 if mode == "I;16" else (9, 9, 9)).save(cache.path(record.image_path))
    np.testing.assert_array_equal(cache.read(record.image_path), expected)


def test_bad_images_are_listed_and_the_others_done(tmp_path: Path) -> None:
    good, bad = records(tmp_path / "images", 2)
    bad.image_path.write_bytes(b"no image")
    missing = ImageRecord("missing", tmp_path / "missing.png", ())
    cache = SuperpixelCache(tmp_path / "cache", FEW)
    failures = cache.compute_missing([good, bad, missing])
    assert [path for path, _ in failures] == [bad.image_path, missing.image_path]
    assert all(str(path) in reason for path, reason in failures)
    assert len(contents(cache.folder)) == 1


def test_progress_counts_what_is_done_and_what_is_to_do(tmp_path: Path) -> None:
    some = records(tmp_path / "images", 4)
    cache = SuperpixelCache(tmp_path / "cache", FEW)
    cache.compute_missing(some[:1])
    heard = Heard()
    cache.compute_missing(some, progress=heard)
    assert heard.tasks == {"Computing superpixels": (4, 1)}


def test_an_unwritable_cache_is_an_error(tmp_path: Path) -> None:
    (record,) = records(tmp_path / "images", 1)
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"^superpixel cache .* must be writable, got"):
        SuperpixelCache(tmp_path / "cache", FEW).read(record.image_path)


SCRIPT = """
import sys
from pathlib import Path
from tagseg.data.superpixel_cache import SuperpixelCache, SuperpixelSettings
from tagseg.types import ImageRecord
if __name__ == "__main__":
    images, folder = Path(sys.argv[1]), Path(sys.argv[2])
    records = [ImageRecord(path.stem, path, ()) for path in sorted(images.iterdir())]
    SuperpixelCache(folder, SuperpixelSettings(max_regions=8)).compute_missing(records, workers=2)
"""


def children_of(pid: int) -> list[int]:
    """Return the processes below ``pid``, from the proc file system."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):  # the process ended meanwhile
            continue
        if parent == pid:
            child = int(status.parent.name)
            found += [child, *children_of(child)]
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the process table of Linux")
def test_killed_and_run_again_equals_an_uninterrupted_run(tmp_path: Path) -> None:
    count = superpixel_cache.IN_PROCESS + 28
    some = records(tmp_path / "images", count)
    whole = SuperpixelCache(tmp_path / "whole", FEW)
    whole.compute_missing(some, workers=1)

    script = tmp_path / "compute.py"
    script.write_text(SCRIPT)
    broken = SuperpixelCache(tmp_path / "broken", FEW)
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path / "images"), str(tmp_path / "broken")])
    assert wait_until(lambda: contents(broken.folder), every_s=0.02)
    workers = children_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert wait_until(lambda: not any(is_running(worker) for worker in workers), every_s=0.02)
    halfway = contents(broken.folder)
    assert 0 < len(halfway) < count, "killed neither before the first nor after the last image"
    assert halfway.items() <= contents(whole.folder).items(), "every file that is there is whole"

    assert broken.compute_missing(some, workers=1) == []
    assert contents(broken.folder) == contents(whole.folder)


def test_regions_of_another_image_are_computed_again(tmp_path: Path) -> None:
    one, other = records(tmp_path / "images", 2)
    cache = SuperpixelCache(tmp_path / "cache", FEW)
    cache.compute_missing([one, other])
    expected = cache.read(one.image_path)
    cache.path(one.image_path).write_bytes(cache.path(other.image_path).read_bytes())
    np.testing.assert_array_equal(cache.read(one.image_path), expected)


def test_regions_that_name_no_image_are_of_version_0_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = records(tmp_path / "images", 1)
    cache = SuperpixelCache(tmp_path / "cache", FEW)
    expected, path = cache.read(one.image_path), cache.path(one.image_path)
    Image.fromarray(expected.astype(np.uint16)).save(path, format="PNG")
    forbid_computing(monkeypatch)
    np.testing.assert_array_equal(cache.read(one.image_path), expected)


def test_an_image_that_changes_meanwhile_spoils_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = records(tmp_path / "images", 2)
    content, compute = one.image_path.read_bytes(), superpixels.compute_regions

    def replace_and_compute(*given: object, **options: object) -> object:
        one.image_path.write_bytes(other.image_path.read_bytes())
        return compute(*given, **options)

    cache = SuperpixelCache(tmp_path / "cache", FEW)
    with monkeypatch.context() as patched:
        patched.setattr(superpixels, "compute_regions", replace_and_compute)
        ((path, reason),) = cache.compute_missing([one])
    assert path == one.image_path
    assert "must stay as it is while its superpixels are computed, got a file that changed" in reason
    one.image_path.write_bytes(content)
    assert not cache.path(one.image_path).exists()
