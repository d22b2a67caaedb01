import pytest

from tagseg.classes import ClassTable
from tagseg.errors import DataError


@pytest.mark.parametrize("name", ["dog\udcff", "\ud800", "\udfff"])
def test_a_name_that_no_file_could_hold_is_refused(name: str) -> None:
    """Folders may be called so, and JSON has escapes for it: the scores at the end of the run could not be written."""
    with pytest.raises(DataError, match="class names are text, got"):
        ClassTable(("cat", name))


@pytest.mark.parametrize("name", ["größe", "e\u0301", "\U0001f408", "\ud7ff", "\ue000", "-", " "])
def test_any_text_is_a_name(name: str) -> None:
    assert ClassTable(("cat", name)).label_id(name) == 2
