"""A secret is found in every encoding, wherever in a longer text it begins, however short it is."""

from __future__ import annotations

import base64
import html
import json
import pprint
import quopri
import shlex
from urllib.parse import quote, quote_plus, urlencode
from xml.etree import ElementTree

import pytest
import yaml

from dltk_runtime.scrub import Scrubber

AWKWARD = "pa&ss <w>/ö\"r'd+=?"
ELEMENT = ElementTree.Element("x")
ELEMENT.text = AWKWARD


@pytest.mark.parametrize(
    "form",
    [
        AWKWARD,
        json.dumps(AWKWARD),
        json.dumps(AWKWARD, ensure_ascii=False),
        quote(AWKWARD),
        quote(AWKWARD, safe=""),
        quote(AWKWARD, safe="").lower(),
        quote_plus(AWKWARD),
        urlencode({"password": AWKWARD}),
        html.escape(AWKWARD),
        html.escape(AWKWARD, quote=False),
        html.escape(AWKWARD).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
        ElementTree.tostring(ELEMENT).decode(),
        yaml.dump([AWKWARD]),
        yaml.dump([AWKWARD], default_style='"'),
        shlex.quote(AWKWARD),
        pprint.pformat([AWKWARD]),
        quopri.encodestring(AWKWARD.encode()).decode(),
        AWKWARD.encode("unicode_escape").decode(),
        AWKWARD.encode("ascii", "backslashreplace").decode(),
        repr(bytearray(AWKWARD.encode())),
        repr(json.dumps([AWKWARD])),
        repr(repr([AWKWARD, "'", '"'])),
        "'" + AWKWARD.replace("'", "''") + "'",
        json.dumps(AWKWARD).replace("/", "\\/"),
        json.dumps(AWKWARD).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
        json.dumps(AWKWARD).replace("\\u00f6", "\\u00F6"),
        quote(json.dumps([AWKWARD])),
        quote(quote(AWKWARD, safe=""), safe=""),
        html.escape(json.dumps([AWKWARD])),
        *(
            base64.b64encode(b"x" * before + AWKWARD.encode() + b"y" * after).decode()
            for before in range(4)
            for after in range(3)
        ),
        base64.urlsafe_b64encode(AWKWARD.encode()).decode().rstrip("="),
        "Basic" + base64.b64encode(b"me:" + AWKWARD.encode()).decode(),
    ],
)
def test_a_scrubber_finds_a_secret_in_every_encoding(form: str) -> None:
    text = Scrubber([AWKWARD]).text(f"before {form} after")
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert "[secret]" in text
    assert "pa" not in text.replace("password", "")


def test_a_scrubber_leaves_other_base64_as_it_is() -> None:
    text = base64.b64encode(bytes(range(256))).decode() + " words/and_names-of.files abcdefgh"
    assert Scrubber(["s3cret-word"]).text(text) == text


@pytest.mark.parametrize("secret", ["w0rd", "w0+/d", "wörds7"])
def test_base64_of_a_short_secret_is_found_by_the_bits_that_it_decides(secret: str) -> None:
    scrubber = Scrubber([secret])
    for before in range(4):
        for after in range(4):
            text = base64.b64encode(bytes(range(97, 97 + before)) + secret.encode() + b"~" * after).decode()
            assert "[secret]" in scrubber.text(text), (before, after)
    other = base64.b64encode(bytes(range(256)) * 40).decode()
    assert scrubber.text(other) == other
