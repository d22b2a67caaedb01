"""The walk over a large JSON file finds every element, and its place gives the element again."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.data.json_elements import list_elements
from tagseg.errors import DataError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(
    content=st.dictionaries(st.text(max_size=6), values, max_size=5),
    indent=st.sampled_from([None, 2, "\t"]),
    ascii_only=st.booleans(),
    start=st.sampled_from([b"", b"\xef\xbb\xbf", b" \r\n"]),
)
def test_every_list_element_is_found_where_it_stands(
    tmp_path_factory: pytest.TempPathFactory,
    content: dict[str, object],
    indent: int | str | None,
    ascii_only: bool,
    start: bytes,
) -> None:
    path = tmp_path_factory.mktemp("walk") / "a.json"
    try:
        path.write_bytes(start + json.dumps(content, indent=indent, ensure_ascii=ascii_only).encode() + b"\n")
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8 form
        return
    found = list(list_elements(path))
    expected = [(name, item) for name, value in content.items() if isinstance(value, list) for item in value]
    assert [item for _, item, _ in found] == [item for _, item in expected]
    assert [name for name, _, _ in found if name.isascii()] == [name for name, _ in expected if name.isascii()]
    raw = path.read_bytes()
    assert [json.loads(raw[first:end]) for _, _, (first, end) in found] == [item for _, item in expected]


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "[]", "{", "7", '{"a"', '{"a":', '{"a": [', '{"a": [1', '{"a": [1,', '{"a": [1,]}', '{"a": [1 2]}',
        '{"a": [1]', '{"a": 1,}', '{"a": [1] "b": 2}', '{a: 1}', '{"a": nope}',
    ],
)  # fmt: skip
def test_broken_json_is_a_data_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match="must be one JSON object, got a mistake at line 1"):
        list(list_elements(tmp_path / "a.json"))


def test_the_line_of_a_mistake_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1,\n2,\n!]}')
    with pytest.raises(DataError, match="line 3"):
        list(list_elements(tmp_path / "a.json"))
