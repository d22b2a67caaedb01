import json

import pytest

from tagseg.artifacts.json_file import MOST, count_of, json_bytes, parse_json
from tagseg.artifacts.manifest import WrongEntryError, check_manifest


@pytest.mark.parametrize("name", ["größe", "bad\udcff.jpg", "\ud800", "\\", "\0", "\U0001f408"])
def test_names_that_are_no_text_are_written_and_read_back(name: str) -> None:
    content = json_bytes({name: [name]})
    assert parse_json(content.decode()) == json.loads(content) == {name: [name]}


def test_a_number_that_is_not_finite_is_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"loss": float("nan")})


@pytest.mark.parametrize("value", [-1, MOST + 1, 10**400, True, 1.0, "1", None])
def test_what_is_no_count_of_anything_is_refused(value: object) -> None:
    """A float of a whole number of hundreds of digits is not a number."""
    assert count_of(MOST) == MOST
    with pytest.raises(ValueError, match="a count is expected"):
        count_of(value)


@pytest.mark.parametrize("value", [-0.5, 10**400, 1e300, True, "1"])
def test_what_is_no_amount_of_time_is_refused(value: object) -> None:
    stages = {"evaluate": {"state": "started", "spent_s": value}}
    with pytest.raises(WrongEntryError, match=r"stages\.evaluate\.spent_s"):
        check_manifest({"format": 1, "stages": stages})
