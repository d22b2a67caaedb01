"""Every byte of every result of a run, without what tells of the clock and the machine."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from faults.scene import Scene

APART = re.compile(r"(^|/)(\.[^/]*|tensorboard/.*|checkpoint\.previous\.safetensors)$")
"""Hidden files, TensorBoard's events, which hold times, and the reserve, which is of whichever step came before."""

OF_THE_CLOCK = {"created", "started", "finished", "spent_s", "time_s", "total_time_s", "images_per_s"}
OF_THE_SITTING = {
    "environment",
    "peak_memory_bytes",
    "listing",
    "counted",
    "counted_images",
    "made_of",
    "commit",
    "warnings",
    "bytes",
}
TIME = re.compile(rb"20\d\d-\d\d-\d\dT[0-9:.+]+")
SECTIONS = re.compile(rb'<section id="(?:cost|problems|facts)".*?</section>', re.DOTALL)
"""Of the report: seconds, what was warned of at which start, and versions."""


def results_of(scene: Scene) -> dict[str, str]:
    """Return a seal of the content of each result, by its path in the run folder."""
    paths = [path for path in sorted(scene.run.rglob("*")) if not path.is_dir()]
    named = {path.relative_to(scene.run).as_posix(): path for path in paths}
    return {name: _seal(path) for name, path in named.items() if not APART.search(name)}


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return the results that differ, each with what is wrong with it."""
    gone = [f"{name} is gone" for name in expected if name not in found]
    new = [f"{name} is new" for name in found if name not in expected]
    return [*gone, *new, *(f"{name} differs" for name in expected if found.get(name, expected[name]) != expected[name])]


def _seal(path: Path) -> str:
    content = path.read_bytes()
    if path.name == "manifest.json":
        content = json.dumps(_timeless(json.loads(content)), sort_keys=True).encode()
    elif path.name == "report.html":
        content = TIME.sub(b"", SECTIONS.sub(b"", content))
    return hashlib.sha256(content).hexdigest()


def _timeless(value: Any) -> Any:
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _timeless(item) for key, item in value.items() if key not in OF_THE_CLOCK | OF_THE_SITTING}
