"""Changed copies of a file: bytes, words, values of JSON, encodings. The same random numbers give the same copy."""

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

MAX_BYTES = 200_000
"""Of a changed copy; what is read in full is not made slow by its length alone."""
SMALL_BYTES = 20_000
"""Words of larger ones are not looked for."""

_NUMBERS = (
    "0 -0 1 -1 2 7 255 256 257 65535 65536 2147483647 2147483648 4294967296 -2147483649 9223372036854775808 1e5 "
    "1e9 1e308 1e309 -1e309 1e-320 0.1 -0.5 0.9999999 NaN nan Infinity -Infinity inf "
    "0x10 1_000 007 +5 1. .5 1,5 ١٢ ²"
)
WORDS = (
    *_NUMBERS.split(),
    *("null", "None", "true", "false", "True", "[]", "{}", '""', "''", "[[]]", "[null]", "[1,2,3,4]", '{"a": 1}'),
    *("background", "__ignore__", "cat", "Cat", "CAT", "dog;cat", "cat|dog", "['cat', 'dog']", '{"choices": ["cat"]}'),
    *("..", "../a", "/", "/etc/passwd", "~", "~nobody/a", "C:\\a.jpg", "a/b", "http://example.org/a.jpg", "a.jpg", "a"),
    *("\0", "\x1b[31m", "\ufeff", "\ufffd", "\u202e", "é", "e\u0301", "ﬁ", "狗", "\U0001f408", "\ud800"),
    *("=1+1", "+1", "-1", "@a", '"', "'", '"""', "\\", "\n", "\r", "\r\n", "\t", "\x0b", "\x85", "\u2028", ",", ";"),
    *("9" * 400, "9" * 5000, "a" * 300, "x" * 3000, "1" * 30 + ".5", "%s%n", "{0}", "<!DOCTYPE a>", "&a;", "&#0;"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 255, 256, 2**31, 2**32, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400),
    *(0.5, -0.5, 1e5, 1e9, 1e308, float("nan"), float("inf"), float("-inf"), 1.0000000001),
    *("", "a", "0", "1", "cat", "dog", "Cat", "background", "a.jpg", "../a.jpg", "\0", "\ud800", "é", "e\u0301"),
    *(
        "x" * 3000,
        [],
        [[]],
        [None],
        {},
        {"a": 1},
        [1, 2, 3, 4],
        [[1, 2], [3, 4]],
        [1e308] * 8,
        ["a", "b"],
        [{}],
        [[[1]]],
    ),
    *({"counts": [], "size": []}, {"counts": "\uffff", "size": [4, 6]}, {"counts": [24], "size": [4, 6]}),
)
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32", "cp1252", "gb18030", "shift_jis", "utf-7")
WORD = re.compile(r'"[^"\n]*"|[\w.+-]+|\S')


def mutated(seed: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Return a changed copy of a file.

    Args:
        seed: a file that its reader knows.
        others: files of the same reader, from which parts may come.
        random: what decides.
    """
    content = seed
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        content = _kind_of_change(content, random)(content, others, random)[:MAX_BYTES]
    return content


Change = Callable[[bytes, Sequence[bytes], Random], bytes]


def _kind_of_change(content: bytes, random: Random) -> Change:
    """Return a change that suits a file: JSON by its values, text by its words, anything by its bytes."""
    if len(content) > SMALL_BYTES:
        return random.choice(_BYTE_CHANGES)
    if content[:1] in (b"{", b"[") and random.random() < 0.6:
        return _change_json
    if _is_text(content) and random.random() < 0.7:
        return random.choice((_replace_word, _replace_word, _insert_word, _move_line, _swap_words, _encode, _nest))
    return random.choice(_BYTE_CHANGES)


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _span(content: bytes, random: Random, *, most: int = 400) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(len(content), start + random.choice((1, 2, 4, 8, 30, most)))


def _flip(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16)) if changed else 0):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _set_bytes(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random, most=8)
    return content[:start] + random.choice((b"\0", b"\xff", b"\x80", b"\x7f", b" ")) * (end - start) + content[end:]


def _truncate(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _duplicate(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random)
    return content[:end] + content[start:end] * random.choice((1, 1, 2, 50)) + content[end:]


def _delete(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random, most=60)
    return content[:start] + content[end:]


def _splice(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(others)
    return content[: random.randrange(len(content) + 1)] + other[random.randrange(len(other) + 1) :]


def _insert_number(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Write a remarkable number over some bytes, in either order."""
    size = random.choice((1, 2, 4, 8))
    top = 256**size
    value = random.choice((0, 1, 2, 16, 255, top - 1, top // 2, top // 2 - 1, top // 4, 100_000, 40_000)) % top
    start = random.randrange(len(content) + 1)
    return content[:start] + value.to_bytes(size, random.choice(("little", "big"))) + content[start + size :]


_BYTE_CHANGES = (_flip, _flip, _set_bytes, _truncate, _duplicate, _delete, _splice, _insert_number)


def _words(content: bytes) -> tuple[str, list[re.Match[str]]]:
    text = content.decode("utf-8", "surrogateescape")
    return text, list(WORD.finditer(text))


def _bytes_of(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")  # bytes that were no text stay as they were
    except UnicodeEncodeError:  # half of a pair, as JSON can write it
        return text.encode("utf-8", "surrogatepass")


def _replace_word(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    text, words = _words(content)
    if not words:
        return _bytes_of(random.choice(WORDS))
    word, new = random.choice(words), random.choice(WORDS)
    if word[0][0] == '"' and random.random() < 0.5:
        new = f'"{new}"'
    return _bytes_of(text[: word.start()] + new + text[word.end() :])


def _insert_word(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    text = content.decode("utf-8", "surrogateescape")
    start = random.randrange(len(text) + 1)
    return _bytes_of(text[:start] + random.choice(WORDS) + text[start:])


def _swap_words(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    text, words = _words(content)
    if len(words) < 2:
        return content
    first, second = sorted(random.sample(words, 2), key=lambda word: word.start())
    between = text[first.end() : second.start()]
    return _bytes_of(text[: first.start()] + second[0] + between + first[0] + text[second.end() :])


def _move_line(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    line = random.choice(lines)
    if random.random() < 0.5:
        lines.remove(line)
    lines.insert(random.randrange(len(lines) + 1), random.choice((line, b"\n", b" " + line)))
    return b"".join(lines)


def _encode(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    return content.decode("utf-8", "replace").encode(random.choice(ENCODINGS), "replace")


def _nest(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Put very many opening brackets, and perhaps the closing ones, somewhere."""
    opening, closing = random.choice((("[", "]"), ('{"a":', "}"), ("<a>", "</a>"), ("(", ")"), ("a.", "")))
    depth = random.choice((20, 1000, 30_000))
    start = random.randrange(len(content) + 1)
    inside = opening * depth + "1" + closing * random.choice((0, depth))
    return content[:start] + inside.encode() + content[start:]


def _change_json(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Change one value or key anywhere inside."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return _replace_word(content, others, random)
    holders = [found for found in _holders(value) if found]
    if not holders:
        return json.dumps(random.choice(VALUES)).encode()
    holder = random.choice(holders)
    key = random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    match random.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(random.choice(VALUES))[:300]] = holder.pop(key)
        case 1 | 2 if isinstance(holder, list):
            holder.insert(key, holder[key])
        case _:
            holder[key] = random.choice(VALUES)
    return _bytes_of(json.dumps(value, ensure_ascii=random.random() < 0.5))


def _holders(value: Any) -> list[Any]:
    """Return every list and mapping of JSON."""
    found, waiting = [], [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict | list):
            found.append(each)
            waiting += each.values() if isinstance(each, dict) else each
    return found
