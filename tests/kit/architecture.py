"""The script that draws the architecture, as a module: it knows the layers and how the code is read."""

import importlib.util
from pathlib import Path
from types import ModuleType

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "docs_architecture.py"


def load_script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("docs_architecture", SCRIPT)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
