"""A JSON string unescaped piece by piece is the string that json reads at once."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dltk_runtime.errors import BodyInvalid, DataInvalid
from dltk_runtime.server.json_text import JsonText

texts = st.text(alphabet=st.sampled_from(list('ab,1\n"\\\r\t/u\x00é𝄞\x7f')), max_size=80) | st.text(max_size=40)


def fed(literal: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """The text and the rest of what follows the opening quote, fed in pieces."""
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
