import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from tagseg.system.own_version import OF_A_SOURCE_TREE, own_version

SOURCE = Path(__file__).resolve().parents[3] / "src" / "tagseg"


def test_a_package_that_is_not_installed_has_a_version_too() -> None:
    with pytest.raises(PackageNotFoundError):
        version("tagseg-of-nobody")
    assert own_version("tagseg-of-nobody") == OF_A_SOURCE_TREE
    assert own_version("numpy") == version("numpy")


def test_nobody_else_asks_for_the_version_of_tagseg() -> None:
    """A source tree that travelled to a machine without an installation trains and saves networks."""
    asking = re.compile(r"""\bversion\(["']tagseg["']\)""")
    found = [path.name for path in sorted(SOURCE.rglob("*.py")) if asking.search(path.read_text())]
    assert found == []
