"""Texts in Splunk's answers: messages as JSON, as XML, or something else."""

from __future__ import annotations

import pytest

from dltk_runtime.splunk.answers import text_of


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"messages": [{"type": "ERROR", "text": "one"}, {"type": "WARN", "text": "two"}]}', "one · two"),
        (b'{"messages": [{"text": "Not Found"}]}', "Not Found"),
        (b'<response><messages><msg type="ERROR">no such app</msg></messages></response>', "no such app"),
        (b"<html>proxy</html>\n", "'<html>proxy</html>'"),
        (b"x" * 300, repr("x" * 200)),
        (b"\xff", "'\ufffd'"),
        (b"", ""),
    ],
)
def test_the_text_of_an_answer(body: bytes, text: str) -> None:
    assert text_of(body) == text
