import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kit.processes import wait_until

from tagseg import errors
from tagseg.artifacts.run_folder import STAGE_OUTPUTS, RunFolder, describe_environment, fingerprint
from tagseg.errors import ArtifactError
from tagseg.system.lock import folder_lock

# A child process needs the artifacts alone: this stands in for the package's root, which imports torch and much more.
CHILD = f"""
import sys, types
root = types.ModuleType("tagseg")
root.__path__ = {[str(Path(errors.__file__).parent)]!r}
sys.modules["tagseg"] = root
"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_the_folders_repeat_the_order_of_the_stages(run: RunFolder) -> None:
    numbered = [name for name in STAGE_OUTPUTS.values() if name[0].isdigit()]
    assert numbered == ["1_classifier", "2_cams", "3_affinity", "4_masks", "5_segmenter", "6_predictions"]
    assert run.output("extract_cams") == run.root / "2_cams"
    assert (run.output("evaluate"), run.output("report")) == (run.scores_path, run.report_path)


def test_looking_at_a_new_folder_makes_nothing(run: RunFolder) -> None:
    assert run.read_manifest() == {"format": 1, "stages": {}}
    assert run.stage_status("evaluate").state == "missing"
    assert not run.root.exists()


def test_a_stage_goes_from_missing_to_started_to_done(run: RunFolder) -> None:
    assert run.is_done("extract_cams", "aa") == (False, "not done yet")
    run.mark_started("extract_cams", "aa")
    assert run.is_done("extract_cams", "aa") == (False, "it was interrupted")
    run.output("extract_cams").mkdir()
    run.mark_done("extract_cams", "aa", {"images": 3})
    assert run.is_done("extract_cams", "aa") == (True, "done with the same inputs")
    assert run.is_done("extract_cams", "bb") == (False, "its inputs changed")
    status = run.stage_status("extract_cams")
    assert (status.state, status.fingerprint, status.details) == ("done", "aa", {"images": 3})
    run.output("extract_cams").rmdir()
    assert run.is_done("extract_cams", "aa") == (False, "2_cams is gone")


def test_a_name_of_bytes_that_are_no_text_is_kept(run: RunFolder) -> None:
    """The name of a bad file may be any bytes; Python has them as halves of surrogate pairs."""
    bad = [{"path": "photos/bad\udcff.jpg", "reason": "image photos/bad\udcff.jpg must be whole"}]
    run.update_manifest(data={"listing": "0", "images": 1, "fingerprint": "1", "bad_files": bad})
    assert run.read_manifest()["data"]["bad_files"] == bad


def test_resuming_keeps_the_first_start_and_new_inputs_begin_anew(run: RunFolder) -> None:
    run.mark_started("extract_cams", "aa")
    manifest = run.read_manifest()
    manifest["stages"]["extract_cams"]["started"] = "2001-01-01T00:00:00+00:00"
    run.update_manifest(**manifest)
    run.note_warning("slow", stage="extract_cams")
    run.mark_started("extract_cams", "aa")
    entry = run.read_manifest()["stages"]["extract_cams"]
    assert (entry["started"], entry["warnings"]) == ("2001-01-01T00:00:00+00:00", ["slow"])
    run.mark_done("extract_cams", "aa")
    assert run.read_manifest()["stages"]["extract_cams"]["warnings"] == ["slow"]
    run.mark_started("extract_cams", "bb")
    assert run.read_manifest()["stages"]["extract_cams"].keys() == {"state", "fingerprint", "data", "started"}


def test_the_time_of_sittings_is_kept_as_long_as_the_inputs_are_the_same(run: RunFolder) -> None:
    assert run.spent_s("extract_cams") == 0
    run.mark_started("extract_cams", "aa")
    run.note_time("extract_cams", 12.5)
    run.mark_started("extract_cams", "aa")
    assert run.spent_s("extract_cams") == 12.5
    run.mark_done("extract_cams", "aa")
    run.mark_started("extract_cams", "aa")  # files of it are gone
    assert run.spent_s("extract_cams") == 12.5
    run.mark_started("extract_cams", "bb")
    assert run.spent_s("extract_cams") == 0


def test_a_warning_is_noted_once_where_it_was_given(run: RunFolder) -> None:
    for text in ("slow", "odd", "slow"):
        run.note_warning(text)
        run.note_warning(text, stage="predict")
    manifest = run.read_manifest()
    assert manifest["warnings"] == manifest["stages"]["predict"]["warnings"] == ["slow", "odd"]
    run.clear_warnings()
    manifest = run.read_manifest()
    assert "warnings" not in manifest
    assert manifest["stages"]["predict"]["warnings"] == ["slow", "odd"]


def test_a_stage_that_was_done_is_redone_as_started(run: RunFolder) -> None:
    run.output("extract_cams").mkdir(parents=True)
    run.mark_done("extract_cams", "aa")
    run.mark_started("extract_cams", "aa")
    assert run.is_done("extract_cams", "aa") == (False, "it was interrupted")


def test_sections_of_the_manifest_do_not_touch_each_other(run: RunFolder) -> None:
    run.update_manifest(seed=3, recipe={"name": "größe"})
    run.mark_started("extract_cams", "aa")
    run.update_manifest(seed=4)
    manifest = run.read_manifest()
    assert (manifest["seed"], manifest["recipe"]) == (4, {"name": "größe"})
    assert manifest["stages"]["extract_cams"]["fingerprint"] == "aa"
    assert json.loads(run.manifest_path.read_text(encoding="utf-8")) == manifest


def test_the_lock_keeps_a_second_run_out_and_lets_it_in_afterwards(run: RunFolder) -> None:
    script = f"""{CHILD}
from pathlib import Path
from tagseg.artifacts.run_folder import RunFolder
from tagseg.errors import ArtifactError
try:
    with RunFolder(Path({str(run.root)!r})).lock():
        print("in")
except ArtifactError as error:
    print(error.problem)
"""
    with run.lock():
        out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
        problem = f"run folder {run.root} takes one run at a time, got a second while process {os.getpid()} runs\n"
        assert out == problem
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert out == "in\n"


def test_the_same_process_cannot_lock_twice_and_a_refusal_does_not_release(run: RunFolder) -> None:
    with run.lock():
        for _ in range(2):
            with pytest.raises(ArtifactError, match="takes one run at a time"), run.lock():
                pass
    with run.lock():
        pass


def test_the_lock_is_released_when_the_run_fails(run: RunFolder) -> None:
    with pytest.raises(RuntimeError, match="stop"), run.lock():
        raise RuntimeError("stop")
    with run.lock():
        pass


def test_kill_9_frees_the_lock_though_forked_workers_live_on_and_leftovers_are_swept_up(run: RunFolder) -> None:
    script = f"""{CHILD}
import os, time
from pathlib import Path
from tagseg.artifacts.run_folder import RunFolder
run = RunFolder(Path({str(run.root)!r}))
with run.lock():
    worker = os.fork()
    if worker == 0:
        time.sleep(60)
        os._exit(0)
    (run.root / ".a.npz.00ff00ff.part").write_text("half")
    print(worker, flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    try:
        os.kill(worker, 0)  # it is alive
        with folder_lock(run.root / ".lock") as died:
            assert died == process.pid
        with run.lock():
            assert sorted(path.name for path in run.root.iterdir()) == [".lock"]
    finally:
        os.kill(worker, signal.SIGKILL)


def test_a_kill_between_writes_leaves_a_manifest_that_can_be_read(run: RunFolder) -> None:
    script = f"""{CHILD}
from pathlib import Path
from tagseg.artifacts.run_folder import RunFolder
run = RunFolder(Path({str(run.root)!r}))
count = 0
while True:
    run.update_manifest(count=count, filler=["x" * 100] * 200)
    count += 1
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    wait_until(lambda: run.read_manifest().get("count", 0) >= 3, every_s=0.01)
    process.kill()
    process.wait()
    manifest = run.read_manifest()
    assert manifest["count"] >= 3
    assert len(manifest["filler"]) == 200


def test_a_fingerprint_depends_on_values_and_not_on_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert len({fingerprint(part) for part in (1, "1", 1.5, None, True, [1], {"a": 1}, {"a": 2})}) == 8
    assert fingerprint(1, 2) != fingerprint([1, 2])
    assert fingerprint(Path("a/b")) == fingerprint("a/b")
    assert fingerprint({"seed": 0}) == "73c35c29fdb7d074"


def test_the_environment_names_every_package_that_decides_a_result() -> None:
    environment = describe_environment()
    assert environment["packages"]["torch"].startswith("2.")
    assert all(environment["packages"].values())
    assert environment["python"] == sys.version.split()[0]
