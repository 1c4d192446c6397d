"""Secrets are found in every form in which programs write them, whole, in pieces and across lines."""

from __future__ import annotations

import base64
import html
import json
import re
import textwrap
import urllib.parse
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.scrub import MASK, ByteStream, ScrubbedStream, Scrubber
from dltk_runtime.secret_names import texts_of
from dltk_runtime.texts import unquote


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SECRETS = [
    "s3cr3t-word-9f8e7d",
    'pa"ss\\wörd<&> +/',
    "-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\n-----END KEY-----",
]
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": json.dumps,
    "json in json": lambda secret: json.dumps({"a": json.dumps({"b": secret})}),
    "json of letters": lambda secret: json.dumps([secret], ensure_ascii=False),
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda secret: repr(secret.encode()),
    "csv": lambda secret: pd.DataFrame({"x": [secret]}).to_csv(index=False),
    "csv in json": lambda secret: json.dumps(pd.DataFrame({"x": [secret]}).to_csv(index=False)),
    "url": lambda secret: urllib.parse.quote(secret, safe=""),
    "url in small letters": lambda secret: re.sub("%..", lambda found: found[0].lower(), urllib.parse.quote(secret)),
    "form": lambda secret: urllib.parse.urlencode({"token": secret}),
    "html": html.escape,
    "html of templates": lambda secret: html.escape(secret).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    "hex": lambda secret: secret.encode().hex(),
    "hex with colons": lambda secret: secret.encode().hex(":"),
    "hex of bytes": lambda secret: secret.encode().hex(" ").upper(),
    "base64": in_base64,
    "base64 in a url": lambda secret: urllib.parse.quote(in_base64(secret), safe=""),
    "base64 twice": lambda secret: in_base64(json.dumps({"auth": in_base64(f"user:{secret}")})),
    "base64 of json": lambda secret: in_base64(json.dumps({"key": secret})),
    "basic": lambda secret: in_base64(f"user:{secret}"),
    "basic of a longer user": lambda secret: in_base64(f"user1:{secret}"),
    "within base64": lambda secret: base64.urlsafe_b64encode(f"ab {secret} and more".encode()).decode(),
}
# How a program breaks a line in the middle of a text.
BREAKS = {
    "lines": "\n",
    "lines of Windows": "\r\n",
    "indented lines": "\n    ",
    "lines in JSON": "\\n",
    "lines of Windows in JSON": "\\r\\n",
    "lines in a URL": "%0A",
    "lines in HTML": "&#13;&#10;",
    "Python's adjacent literals": "'\n '",
    "lines that a shell continues": "\\\n",
}
KEY = "k3y-" + "0123456789abcdefXYZ" * 5


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_found(form: str, secret: str) -> None:
    written = f"before {FORMS[form](secret)} behind"
    scrubber = Scrubber(SECRETS)
    for found in (scrubber.text(written), scrubber.data(written.encode()).decode()):
        assert MASK in found
        assert found.startswith("before ")
        assert found.endswith(" behind")
        assert secret[:12] not in found
    middle = FORMS[form]("x" * len(secret))
    assert scrubber.text(middle) == middle


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_found_wherever_two_pieces_part_it(form: str, secret: str) -> None:
    written = f"before {FORMS[form](secret)} behind\n"
    scrubber = Scrubber([secret])
    whole = scrubber.text(written)
    for cut in range(1, len(written), 1 + len(written) // 60):
        stream = ScrubbedStream(scrubber)
        found = stream.feed(written[:cut]) + stream.feed(written[cut:]) + stream.end()
        # Of a secret of several lines, each line may be replaced as soon as it is whole.
        assert found == whole or ("\n" in secret and len(found) < len(whole) + 40 and secret[:12] not in found)


@pytest.mark.parametrize("secret", SECRETS[:2])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_found_wherever_the_end_of_a_line_parts_it(form: str, secret: str) -> None:
    written, scrubber = FORMS[form](secret), Scrubber([secret])
    begin, _, behind = scrubber.text(written).partition(MASK)
    for cut in range(len(begin) + 1, len(written) - len(behind)):
        found = scrubber.text(f"{written[:cut]}\n{written[cut:]}")
        left = found.removeprefix(begin).removesuffix(behind).replace(MASK, "").replace("\n", "")
        assert sum(map(str.isalnum, left)) <= 2, (found, "at most what may have been shown already")
        assert MASK in found


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("width", [16, 64, 76])
@pytest.mark.parametrize("form", ["plain", "url", "html", "hex", "base64", "basic", "base64 twice", "within base64"])
def test_a_form_is_found_over_several_lines(form: str, width: int, name: str) -> None:
    written = FORMS[form](KEY)
    lines = [written[start : start + width] for start in range(0, len(written), width)]
    text, scrubber = f"before\n{BREAKS[name].join(lines)}\nbehind", Scrubber([KEY])
    found = scrubber.text(text)
    assert MASK in found
    assert found.startswith("before\n")
    assert found.endswith("\nbehind")
    assert not any(line in found for line in lines[1:-1])
    for size in (1, 7, 40):
        stream = ByteStream(scrubber)
        pieces = [stream.feed(text[start : start + size].encode()) for start in range(0, len(text), size)]
        assert (b"".join(pieces) + stream.end()).decode() == found


def test_base64_of_pythons_own_writers_is_found() -> None:
    scrubber = Scrubber([KEY])
    for text in (base64.encodebytes(KEY.encode()).decode(), textwrap.fill(in_base64(KEY), 20)):
        assert set(scrubber.text(text).split()) == {MASK} or in_base64(KEY)[:16] not in scrubber.text(text)


def test_numbers_one_below_the_other_are_no_secret() -> None:
    """A column of results must not become a mask, even where a secret is as poor as this."""
    column = "label\n" + "0\n" * 40 + "12\n34\n56\n78\n"
    assert Scrubber(["000000000000", "12345678"]).text(column) == column


def test_lines_are_shown_without_delay() -> None:
    stream = ByteStream(Scrubber(["s3cr3t-word-9f8e7d"]))
    for line in (b"epochs\n", b"loss 1s\n", b"keys: s3\n", "größen: s\n".encode()):
        assert stream.feed(line) == line
    assert stream.feed(b"word: s3cr\n") == b"word: "
    assert stream.feed(b"else\n") == b"s3cr\nelse\n"


def test_bytes_that_are_no_text_are_passed_on() -> None:
    data = bytes(range(256)) + "wörd".encode()
    stream = ByteStream(Scrubber(["wörd-of-it"]))
    assert stream.feed(data[:-3]) + stream.feed(data[-3:]) + stream.end() == data
    assert Scrubber(["wörd-of-it"]).data(data) == data


def test_what_is_held_back_is_bounded() -> None:
    stream = ScrubbedStream(Scrubber(["s3cr3t-word-9f8e7d"]))
    held = 0
    for _ in range(200):
        stream.feed("s3cr" + " " * 100 + "\n" * 100)
        held = max(held, len(stream._rest))
    assert held < 4096


def test_secrets_in_json_are_found_by_themselves() -> None:
    config = json.dumps({"openai": {"api_key": "sk-inner-1", "model": "gpt-something"}, "list": [{"token": "tok-2"}]})
    assert texts_of([config, "{broken"]) == [config, "sk-inner-1", "tok-2", "{broken"]


def test_short_texts_and_none_at_all_change_nothing() -> None:
    assert not Scrubber([])
    assert not Scrubber(["abc", ""])
    assert Scrubber(["abc"]).text("abc") == "abc"
    assert unquote('"a"') == "a"


@given(st.lists(st.sampled_from(["s3cr3t-word-9f8e7d", "s3cr", "et-", "\n", "x"]), max_size=12), st.integers(1, 7))
def test_printed_bytes_that_come_in_pieces_are_the_same_as_whole_ones(parts: list[str], size: int) -> None:
    scrubber, text = Scrubber(["s3cr3t-word-9f8e7d"]), "".join(parts).encode()
    printed = ByteStream(scrubber)
    found = b"".join(printed.feed(text[at : at + size]) for at in range(0, len(text), size)) + printed.end()
    assert found == scrubber.data(text)
