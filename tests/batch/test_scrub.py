"""A secret of a batch run is found in every form that a notebook may print."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest

from dltk_runtime.batch.scrub import Scrubber

AWKWARD = "pa&ss <w>/ö\"r'd+=?"


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
    text = Scrubber({"word": AWKWARD}).text(f"before {form} after")
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert "[secret]" in text
    assert "pa" not in text.replace("password", "")


def test_a_scrubber_leaves_other_base64_as_it_is() -> None:
    text = base64.b64encode(bytes(range(256))).decode() + " words/and_names-of.files abcdefgh"
    assert Scrubber({"word": "s3cret-word"}).text(text) == text
