"""Windows has no fcntl, resource, pwd, grp and termios: what is used there works without them."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.blocked import run_python
from PIL import Image as PillowImage

POSIX_ONLY = ("fcntl", "resource", "pwd", "grp", "termios")

COMMAND = """
from tagseg.cli.main import app_main
app_main()
"""

# Stands in for the module of Windows: locks the byte at which the file is, as its own does.
FAKE_MSVCRT = """
import fcntl as real, os, sys, types
msvcrt = types.ModuleType("msvcrt")
msvcrt.LK_NBLCK = 2
def locking(descriptor, mode, count):
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    assert place > 2**20 and mode == 2 and count == 1, place
    real.lockf(descriptor, real.LOCK_EX | real.LOCK_NB, count, place)
msvcrt.locking = locking
sys.modules["msvcrt"] = msvcrt
del sys.modules["fcntl"]
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name == "fcntl":
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
"""

NO_LOCKS = """
import sys
sys.modules["fcntl"] = sys.modules["msvcrt"] = None
"""

TAKE = """
from pathlib import Path
from tagseg.errors import ArtifactError
from tagseg.system.lock import folder_lock
try:
    with folder_lock(Path(sys.argv[1])) as died:
        print(died, flush=True)
        sys.stdin.read()
except ArtifactError as error:
    print(error)
"""


def start(system: str, lock: Path) -> subprocess.Popen[str]:
    """Take a lock in another process, which keeps it until its standard input ends."""
    command = [sys.executable, "-c", system + TAKE, str(lock)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> str:
    """Return the line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that end with the test."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.communicate()


def busy(lock: Path, holder: int, help: str = "") -> str:
    return (
        f"run folder {lock.parent} takes one run at a time, got a second while process {holder} runs; "
        f"wait for it to end, stop it, or choose another --out{help}"
    )


def test_the_package_and_the_memory_of_a_process() -> None:
    done = run_python(
        "import tagseg\nfrom tagseg.system.memory import peak_memory, restart_peak_memory\n"
        "restart_peak_memory()\nprint(tagseg.Prediction.__name__, peak_memory() is None or peak_memory() > 2**20)",
        without=POSIX_ONLY,
    )
    assert (done.stdout, done.stderr) == ("Prediction True\n", "")


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("--version",), ("recipes",), ("doctor", "demo")])
def test_the_command_line_helps(words: tuple[str, ...]) -> None:
    assert run_python(COMMAND, *words, without=POSIX_ONLY).returncode == 0


def test_a_recipe_is_written_and_its_data_checked(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    PillowImage.new("RGB", (40, 40), (90, 120, 60)).save(tmp_path / "photos" / "cat" / "a.jpg")
    recipe = str(tmp_path / "mine.toml")
    offline = ("--set", "classifier.weights=random")
    for words in (("init", str(tmp_path / "photos"), "--out", recipe), ("check", recipe, *offline)):
        done = run_python(COMMAND, *words, without=POSIX_ONLY)
        assert done.returncode == 0, done.stderr


def test_a_segmenter_is_loaded_and_labels_photographs(segmenter_folder: Path, tmp_path: Path) -> None:
    PillowImage.new("RGB", (40, 30), (90, 120, 60)).save(tmp_path / "a.jpg")
    code = f"""
import tagseg, tagseg.pipeline
print(tagseg.load(sys.argv[2], device="cpu").predict(sys.argv[3]).labels.shape)
{COMMAND}
"""
    words = ("predict", str(segmenter_folder), str(tmp_path / "a.jpg"), "--out", str(tmp_path / "masks"))
    done = run_python(code, *words, without=POSIX_ONLY)
    assert done.returncode == 0, done.stderr  # libraries may warn there
    assert done.stdout.startswith("(30, 40)\n") and "1 images labelled" in done.stdout
    with PillowImage.open(tmp_path / "masks" / "a.png") as mask:
        assert mask.size == (40, 30)
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == [".lock", "a.png", "predictions.json"]


@pytest.mark.parametrize("system", [FAKE_MSVCRT, NO_LOCKS], ids=["windows", "no locks"])
def test_a_second_run_is_kept_out_and_a_later_one_is_not(
    system: str, started: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    lock = tmp_path / "run" / ".lock"
    started.append(start(system, lock))
    assert answer(started[0]) == "None"
    assert lock.read_text() == f"{started[0].pid}\n"
    started.append(start(system, lock))
    left = f"; when no run is at work there, delete {lock}.held" if system == NO_LOCKS else ""
    assert answer(started[1]) == busy(lock, started[0].pid, left)
    started.pop(0).communicate()
    started.append(start(system, lock))
    assert answer(started[-1]) == "None"
    started.pop().communicate()
    assert [path.name for path in lock.parent.iterdir()] == [".lock"]


def test_windows_drops_the_lock_of_a_killed_run(started: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    started.append(start(FAKE_MSVCRT, lock))
    assert answer(started[0]) == "None"
    started[0].send_signal(signal.SIGKILL)
    started[0].wait()
    started.append(start(FAKE_MSVCRT, lock))
    assert answer(started[1]) == str(started[0].pid)


def test_without_locks_a_killed_run_leaves_a_file_that_the_error_names(
    started: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    lock = tmp_path / ".lock"
    started.append(start(NO_LOCKS, lock))
    assert answer(started[0]) == "None"
    started[0].send_signal(signal.SIGKILL)
    started[0].wait()
    started.append(start(NO_LOCKS, lock))
    help = f"; when no run is at work there, delete {lock}.held"
    assert answer(started[1]) == busy(lock, started[0].pid, help)
    lock.with_name(".lock.held").unlink()
    started.append(start(NO_LOCKS, lock))
    assert answer(started[2]) == str(started[0].pid)
