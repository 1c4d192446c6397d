"""Secrets are found in every form in which programs write them, also in pieces."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.pool.printed import PrintedBytes
from dltk_runtime.secret_names import texts_of
from dltk_runtime.texts import MASK, Scrubber, unquote

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
    "form": lambda secret: urllib.parse.urlencode({"token": secret}),
    "html": html.escape,
    "hex": lambda secret: secret.encode().hex(),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "basic": lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
    "basic of a longer user": lambda secret: base64.b64encode(f"user1:{secret}".encode()).decode(),
    "within base64": lambda secret: base64.urlsafe_b64encode(f"ab {secret} and more".encode()).decode(),
}


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
    printed = PrintedBytes(scrubber)
    found = b"".join(printed.feed(text[at : at + size]) for at in range(0, len(text), size)) + printed.end()
    assert found == scrubber.data(text)
