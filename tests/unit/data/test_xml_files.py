"""XML in the encodings that annotation tools write."""

from pathlib import Path

import pytest

from tagseg.data.xml_files import XmlError, parse_xml


@pytest.mark.parametrize(
    ("declared", "encoding", "word"),
    [
        ("utf-8", "utf-8", "é猫"),
        ("utf-8", "utf-8-sig", "é猫"),
        ("UTF-16", "utf-16", "é猫"),
        ("utf-16", "utf-8", "é猫"),  # .NET declares the encoding of its strings
        ("gb2312", "gb2312", "猫"),
        ("GB2312", "gbk", "貓"),  # a letter that GBK has and GB 2312 has not
        ("GBK", "gbk", "猫"),
        ("gb18030", "gb18030", "猫"),
        ("Big5", "big5", "貓"),
        ("Shift_JIS", "shift_jis", "猫"),
        ("Shift_JIS", "cp932", "①"),
        ("euc-jp", "euc-jp", "猫"),
        ("euc-kr", "euc-kr", "고양이"),
        ("windows-1252", "cp1252", "é"),
        ("ISO-8859-1", "latin-1", "é"),
    ],
)
def test_the_declared_encoding_is_read(tmp_path: Path, declared: str, encoding: str, word: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(f'<?xml version="1.0" encoding="{declared}" ?>\n<a><name>{word}</name></a>'.encode(encoding))
    assert parse_xml(path).findtext("name") == word


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "no such file"),
        (b"<a>", "something else"),
        (b"", "something else"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "the unknown encoding 'klingon'"),
        (b'<?xml version="1.0" encoding="rot13"?><a/>', "the unknown encoding 'rot13'"),
        (b'<?xml version="1.0" encoding="utf-8"?><a>\xb9\xb7</a>', "bytes that are not of its encoding utf-8"),
        (b"<a>\xb9\xb7</a>", "bytes that are not of its encoding UTF-8"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, content: bytes | None, found: str) -> None:
    path = tmp_path / "a.xml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(XmlError) as refused:
        parse_xml(path)
    assert str(refused.value) == found
