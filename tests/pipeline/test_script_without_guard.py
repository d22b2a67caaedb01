"""A script that starts a run outside of ``if __name__ == "__main__":``."""

import subprocess
import sys
from pathlib import Path

from kit.small_run import quick_recipe

from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.superpixel_cache import IN_PROCESS
from tagseg.recipe import to_toml

SCRIPT = """
import os
os.cpu_count = lambda: 2  # with one core there are no workers
import tagseg
tagseg.run("small.toml", out="run")
"""


def test_it_ends_in_one_sentence(tmp_path: Path) -> None:
    write_dataset(tmp_path / "photos", num_images=IN_PROCESS + 1, size=(64, 64), seed=3)
    (tmp_path / "small.toml").write_text(to_toml(quick_recipe(tmp_path / "photos", tmp_path / "cache")))
    (tmp_path / "mine.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "tagseg.errors.DeviceError: worker processes compute superpixels to their end, got one that died; "
        'start the run of a script below `if __name__ == "__main__":`; else free memory and run it again'
    )
    assert "bootstrapping phase" not in done.stderr
    assert done.stdout == ""
