"""A process that works for too long is killed, however slow the machine is."""

import subprocess
import sys

import pytest

ENDLESS = "from tagseg.system.cpu_time import limit_cpu_time\nassert limit_cpu_time(0.2)\nwhile True: pass"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_an_endless_loop_is_killed_and_leaves_nothing(tmp_path):
    ended = subprocess.run([sys.executable, "-c", ENDLESS], cwd=tmp_path, capture_output=True)
    assert ended.returncode < 0
    assert list(tmp_path.iterdir()) == []
