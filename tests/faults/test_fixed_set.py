"""Ten faults of ten kinds, at moments spread over the stages: each ends in equal bytes or in a sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kit.processes import TESTS

from faults.fixed import FIXED_SET

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="faults happen to forked processes")


@pytest.mark.timeout(900)
def test_every_fault_of_the_fixed_set_ends_well(tmp_path: Path) -> None:
    # A process of its own: this one may run threads, which do not survive a fork.
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    ended = subprocess.run(
        [sys.executable, "-m", "faults.run", "--fixed", "--json", str(tmp_path / "faults.jsonl")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    happened = [json.loads(line) for line in (tmp_path / "faults.jsonl").read_text().splitlines()]
    assert [fault["kind"] for fault in happened] == [fault.kind for fault in FIXED_SET]
    assert {fault["outcome"] for fault in happened} <= {"equal", "told"}
    assert all(fault["struck"] != "never came to its moment" for fault in happened)
