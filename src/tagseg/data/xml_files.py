"""XML files in any encoding that Python knows; the parser itself knows none of several bytes a letter but Unicode."""

import re
from pathlib import Path
from xml.etree import ElementTree

_DECLARED = re.compile(rb"""^<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)["'][^>]*\?>""")

_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "gb-2312": "gb18030", "shift_jis": "cp932", "sjis": "cp932"}
"""Encodings that hold the declared one: programs write letters of these under its name."""

_UNICODE_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class XmlError(Exception):
    """A file is not XML that can be read.

    Args:
        found: what was found, for the end of a sentence.
        help: the next move.
    """

    def __init__(self, found: str, help: str) -> None:
        super().__init__(found)
        self.help = help


def parse_xml(path: Path) -> ElementTree.Element:
    """Return the root element of an XML file.

    Raises:
        XmlError: when the file is missing, no XML, or of an encoding that is unknown or not the declared one.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.xml")
    ...     _ = path.write_bytes('<?xml version="1.0" encoding="GBK"?><name>狗</name>'.encode("gbk"))
    ...     parse_xml(path).text
    '狗'
    """
    try:
        data = path.read_bytes().lstrip()
    except OSError as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or "something else")
        raise XmlError(found, "restore it") from error
    try:
        return ElementTree.fromstring(_decoded(data))
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise XmlError("something else", "restore it") from error


def _decoded(data: bytes) -> bytes | str:
    """Return the file's text without its declaration, or its bytes where the parser knows what they are."""
    if data.startswith(_UNICODE_MARKS):
        return data
    declared = _DECLARED.match(data)
    name = declared[1].decode("ascii") if declared else "UTF-8"
    # A declaration in plain letters is not UTF-16, whatever it says: programs write it when they change the encoding.
    wider = "utf-8" if name.lower().startswith(("utf-16", "ucs-2")) else _WIDER.get(name.lower(), name)
    try:
        return data[declared.end() if declared else 0 :].decode(wider)
    except LookupError as error:
        raise XmlError(f"the unknown encoding '{name}'", "save it as UTF-8") from error
    except UnicodeError as error:
        raise XmlError(f"bytes that are not of its encoding {name}", "save it as UTF-8") from error
