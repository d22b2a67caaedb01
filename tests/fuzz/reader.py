"""What is fuzzed: one reader of the package, with small files that it knows."""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Read = Callable[[bytes], object]
"""Puts a file's content in its place and reads it; the reader's own checks are assertions."""


def unchanged(content: bytes) -> bytes:
    """Return the content as it is."""
    return content


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader.

    Args:
        name: of one word.
        seeds: makes contents that it knows.
        prepare: gets a folder of its own, writes what lies beside the file, and returns what reads a content.
        repair: corrects checksums of a changed content, so that it gets past them; used for every second one.
        cost: how many inputs of an ordinary reader take as long as one of this.
        names_file: whether an error names the folder that the file lies in.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    prepare: Callable[[Path], Read]
    repair: Callable[[bytes], bytes] = unchanged
    cost: int = 1
    names_file: bool = True


def with_png_sums(content: bytes) -> bytes:
    """Return a PNG file whose chunks have right checksums, as far as its chunks can be followed."""
    at, parts = 8, [content[:8]]
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(content):
            break
        inside = content[at + 4 : end]
        parts += [content[at : at + 4], inside, struct.pack(">I", zlib.crc32(inside))]
        at = end + 4
    return b"".join([*parts, content[at:]])


def placed(path: Path, read: Callable[[Path], object]) -> Read:
    """Return what writes a content to one path and reads that."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def read_content(content: bytes) -> object:
        path.write_bytes(content)
        return read(path)

    return read_content
