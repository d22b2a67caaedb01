"""What a row of a benchmark says of where it was made."""

import platform
import subprocess
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parents[1]


def commit(checkout: Path = HERE) -> str | None:
    """Return the commit of a checkout, of this one if none is named, None where there is none."""
    asked = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or None
    except OSError:
        return None


def this_machine() -> dict[str, str]:
    """Return processor, torch and commit; a unit that was resumed names the last machine."""
    processor = platform.processor() or platform.machine()
    return {"processor": processor, "torch": torch.__version__, "commit": commit() or ""}
