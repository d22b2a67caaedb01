"""Work beside this process: its result, its error, its death, what it prints."""

import os
import time
from pathlib import Path

import pytest

from tagseg.errors import DataError, DeviceError
from tagseg.system.apart import Apart


def test_the_result_comes_back_and_the_output_goes_to_the_file(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "log"
    apart = Apart(_speak, "words", log=log)
    assert apart.result() != os.getpid()
    assert log.read_text() == "words\n"


def test_an_error_that_a_user_can_act_on_comes_back_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        Apart(_fail, log=tmp_path / "log").result()
    assert (caught.value.problem, caught.value.help) == ("tags are words, got 5", "write words")


def test_a_death_is_told_with_the_file_of_the_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(DeviceError) as caught:
        Apart(_die, log=log).result()
    assert caught.value.problem == f"a process beside this one died with exit code 7; {log} has its last words"
    assert caught.value.help == "run the same command again to continue"
    assert log.read_text() == "the end\n"


def test_a_bug_leaves_its_traceback_in_the_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(DeviceError, match="exit code 1"):
        Apart(_break, log=log).result()
    assert "ZeroDivisionError" in log.read_text()


def test_it_can_be_ended(tmp_path: Path) -> None:
    started = tmp_path / "started"
    apart = Apart(_wait, started, log=tmp_path / "log")
    while not started.exists():
        time.sleep(0.01)
    apart.stop()
    with pytest.raises(DeviceError, match="exit code -15"):
        apart.result()
    apart.stop()  # twice does no harm


def _speak(text: str) -> int:
    print(text)
    return os.getpid()


def _fail() -> None:
    raise DataError("tags are words, got 5", help="write words")


def _die() -> None:
    print("the end", flush=True)
    os._exit(7)


def _break() -> None:
    print(1 // 0)


def _wait(started: Path) -> None:
    started.touch()
    time.sleep(600)
