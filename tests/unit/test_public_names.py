import subprocess
import sys
from importlib.metadata import version

import pytest

import tagseg


def test_the_public_names_are_there_and_listed() -> None:
    assert set(tagseg.__all__) <= set(dir(tagseg))
    assert all(callable(getattr(tagseg, name)) for name in tagseg.__all__)


def test_the_version_is_that_of_the_package() -> None:
    assert tagseg.__version__ == version("tagseg")
    assert "__version__" in dir(tagseg)


def test_another_name_is_an_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'tagseg' has no attribute 'lode'"):
        tagseg.lode  # noqa: B018


def test_listing_names_and_asking_for_the_version_loads_no_torch() -> None:
    code = "import sys, tagseg; dir(tagseg); tagseg.__version__; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
