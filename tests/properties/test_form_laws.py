"""Laws of forms as they arrive: pieces of any size are one form, and no bytes make anything but a form or a refusal."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import Any, cast

from hypothesis import example, given
from hypothesis import strategies as st
from kit.serving import form

from tagseg.serve.body import Body
from tagseg.serve.limits import Limits
from tagseg.serve.refusal import RefusedError
from tagseg.serve.uploads import Form, plain_name, read_form

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters='/\\"'), min_size=1)
FILES = st.lists(st.tuples(NAMES.filter(lambda name: name not in (".", "..")), st.binary(max_size=200)), max_size=5)


class Pieces:
    """A body that arrives in pieces."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    async def chunks(self, *, lost: "asyncio.Future[None] | None" = None) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def read(pieces: Sequence[bytes], content_type: str) -> Form:
    return asyncio.run(read_form(cast("Body", cast("Any", Pieces(pieces))), content_type, Limits()))


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    bounds = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[start:end] for start, end in pairwise(bounds)]


@given(
    files=FILES.filter(bool),
    values=st.dictionaries(st.sampled_from(["tags", "flip"]), st.text(max_size=20)),
    places=st.lists(st.integers(0, 5000), max_size=30),
)
@example(files=[("a.png", b"\r\n--")], values={}, places=list(range(400)))
def test_pieces_of_any_size_are_the_form_that_was_sent(files, values, places):
    body, kind = form(files, values)
    found = read(cut(body, places), kind)
    assert [(upload.name, upload.data) for upload in found.uploads] == files
    assert found.fields == [(name, text.encode(errors="replace").decode()) for name, text in values.items()]


@given(start=st.binary(max_size=300), place=st.integers(0, 400), noise=st.binary(max_size=40))
def test_other_bytes_are_refused_or_read_and_nothing_else(start, place, noise):
    body, kind = form([("a.png", start)], {"tags": "dog"})
    place %= len(body)
    try:
        found = read([body[:place] + noise + body[place + len(noise) :]], kind)
    except RefusedError as error:
        assert 400 <= error.status < 500
    else:
        assert found.uploads


@given(name=st.text(max_size=300))
def test_a_name_that_passes_is_one_plain_printable_part(name):
    try:
        assert plain_name(name) == name
    except RefusedError as error:
        assert error.problem.isprintable()
        assert error.help.isprintable()
    else:
        assert name.isprintable()
        assert not set(name) & set("/\\")
        assert name not in (".", "..")
        assert len(name) <= 200
