"""Help, a version and the message about a mistyped recipe come at once: none of them loads torch."""

import subprocess
import sys


def test_the_command_line_starts_without_torch() -> None:
    slow = {"torch", "timm", "skimage", "fastapi", "uvicorn"}
    code = f"import sys, tagseg.cli.main, tagseg.recipe; print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
