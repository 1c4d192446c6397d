"""Lines of results become rows, also where Splunk cut a value in the middle of a character."""

from __future__ import annotations

import pytest

from dltk_runtime.splunk.errors import AnswerUnreadable
from dltk_runtime.splunk.rows import ResultReader


def rows(*lines: bytes) -> list[dict[str, object]]:
    return [row for some in ResultReader(lines, "search", "splunk:8089") for row in some]


def test_half_a_surrogate_pair_does_not_end_the_search() -> None:
    cut = b'{"result":{"a":"cut \\ud83d","\\udc00":["x","\\ud83d\\ude00"]}}'
    lines = b'{"result":{"a":"1"}}\n' + cut + b'\n{"result":{"a":"2"}}\n'
    assert rows(lines) == [{"a": "1"}, {"a": "cut \ufffd", "\ufffd": ["x", "\U0001f600"]}, {"a": "2"}]


@pytest.mark.parametrize("result", [b'{"a":', b'"\\ud83d"}', b'{"a":"\xff"}}'])
def test_what_is_no_result_is_still_refused(result: bytes) -> None:
    with pytest.raises(AnswerUnreadable):
        rows(b'{"result":' + result + b"\n")
