"""A run of two processes that torchrun starts, as `tagseg run --devices 2` starts them itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kit.processes import TESTS
from kit.small_segmenter_run import run, small_recipe

from tagseg.data.drawn_pictures import write_dataset

SETTINGS = ("engine.devices=2", "segmenter.epochs=1")

RUN = """
import sys
from pathlib import Path
from kit.small_segmenter_run import run, small_recipe
photos, out, *settings = sys.argv[1:]
run(small_recipe(Path(photos), *settings), Path(out))
"""


def torchrun(*words: object) -> None:
    """Start two processes of Python that run code; a free port, so that nothing else on the machine is in the way."""
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    done = subprocess.run(
        [*command, sys.executable, "-c", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.usefixtures("forked_launches")
def test_two_processes_of_torchrun_make_the_bits_of_two_that_tagseg_starts(tmp_path: Path) -> None:
    write_dataset(tmp_path / "learn", num_images=8, size=(64, 64), seed=3)
    write_dataset(tmp_path / "test", num_images=2, size=(64, 64), seed=3, first_index=8)
    own, started = tmp_path / "own", tmp_path / "torchrun"
    run(small_recipe(tmp_path, *SETTINGS), own)
    torchrun(RUN, tmp_path, started, *SETTINGS)
    made = {path.relative_to(own) for kind in ("*.safetensors", "*.npz", "*.png") for path in own.rglob(kind)}
    made |= {Path("scores.json"), Path("1_classifier/curves.csv"), Path("5_segmenter/curves.csv")}
    assert {path.parts[0] for path in made} == {
        *("1_classifier", "2_cams", "4_masks", "5_segmenter", "6_predictions", "scores.json")
    }
    for path in sorted(made):
        assert (started / path).read_bytes() == (own / path).read_bytes(), path
