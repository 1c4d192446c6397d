"""A JSON string unescaped piece by piece is the string that json reads at once."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dltk_runtime.errors import BodyInvalid, DataInvalid, RequestError
from dltk_runtime.server import json_text
from dltk_runtime.server.json_text import JsonText
from dltk_runtime.tables.native.code import unescaper

texts = st.text(alphabet=st.sampled_from(list('ab,1\n"\\\r\t/u\x00é𝄞\x7f')), max_size=80) | st.text(max_size=40)


def fed(literal: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """The text and the rest of what follows the opening quote, fed in pieces; by compiled code and without."""
    with mock.patch.object(json_text, "unescaper", return_value=None):
        slow = outcome(literal, cuts)
    fast = outcome(literal, cuts)
    if isinstance(fast, RequestError):
        assert (type(fast), placeless(fast)) == (type(slow), placeless(slow))
        raise fast
    assert fast == slow
    return fast


def placeless(error: object) -> str:
    """The text of an error without its places: they are counted within a piece."""
    return re.sub(r"\d+", "N", str(error))


def outcome(literal: bytes, cuts: list[int]) -> tuple[bytes, bytes] | RequestError:
    try:
        return by_pieces(literal, cuts)
    except RequestError as error:
        return error


def by_pieces(literal: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    places = sorted({0, len(literal), *(cut % (len(literal) + 1) for cut in cuts)})
    text = JsonText()
    out = b"".join(text.feed(literal[start:end]) for start, end in itertools.pairwise(places))
    assert text.ended
    return out, bytes(text.rest)


@given(texts, st.booleans(), st.lists(st.integers(0, 1000), max_size=12))
@example(text='"\x1f\x1f000000ࠀ', ascii_only=False, cuts=[22])
def test_any_text_in_any_pieces(text: str, ascii_only: bool, cuts: list[int]) -> None:
    literal = json.dumps(text, ensure_ascii=ascii_only).encode()[1:] + b', "meta": {"a": "b"}}'
    assert fed(literal, cuts) == (text.encode(), b', "meta": {"a": "b"}}')


@given(texts, st.booleans())
@example(text="\x1f-twelve-bytes-𝄞", ascii_only=False)
def test_any_text_byte_by_byte(text: str, ascii_only: bool) -> None:
    literal = json.dumps(text, ensure_ascii=ascii_only).encode()[1:] + b"}"
    assert fed(literal, list(range(len(literal)))) == (text.encode(), b"}")


def test_halves_of_a_character_may_come_apart() -> None:
    literal = b'\\\\\\ud834\\udd1e\\\\ud834"'
    for cut in range(len(literal)):
        assert fed(literal, [cut])[0] == "\\𝄞\\ud834".encode()


@pytest.mark.parametrize("literal", [b'a\\ud800b"', b'\\udd1e"', b'a\\qb"', b'a\\u12"'])
def test_what_is_no_text_is_refused(literal: bytes) -> None:
    with pytest.raises(DataInvalid):
        fed(literal, [])


def test_a_raw_line_end_is_refused() -> None:
    with pytest.raises(BodyInvalid, match="raw line end"):
        fed(b'a,b\n1,2"', [])


pieces_of_literals = st.lists(
    st.sampled_from(
        [b"1.5,", b"\\n", b"\\\\", b'\\"', b"\\/", b"\\u0041", b"\xc3\xa9", b"x" * 17, b"\x7f", b"\t", b"\\q", b"\xff"]
    ),
    max_size=40,
)


@given(pieces_of_literals, st.lists(st.integers(0, 1000), max_size=6))
def test_compiled_code_unescapes_as_json_does_or_leaves_it_to_it(pieces: list[bytes], cuts: list[int]) -> None:
    with contextlib.suppress(RequestError):
        text, rest = fed(b"".join(pieces) + b'", 1}', cuts)
        assert text.decode() == json.loads(b'"' + b"".join(pieces) + b'"')
        assert rest == b", 1}"


def test_plain_rows_are_unescaped_by_compiled_code() -> None:
    if (compiled := unescaper()) is None:
        pytest.skip("no compiled code: `make setup` says why")
    assert compiled.unescape(rb'a,b\n1,\"\\2\/" behind') == (b'a,b\n1,"\\2/', 14)
    assert compiled.unescape(b"x" * 40 + b"\\") == (b"x" * 40, 40)
    assert compiled.unescape(b"") == (b"", 0)
    assert [compiled.unescape(each) for each in (b"\\u0041", b"\x1f", b"\x80", b"\\q")] == [None] * 4
