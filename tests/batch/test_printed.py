"""What cells print: streams in one piece, lines without secrets, and bounds on both."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode

from dltk_runtime.batch.printed import MAX_KEPT_CHARACTERS, MAX_LINE_CHARACTERS, Kept, WholeLines, coalesced
from dltk_runtime.batch.printed import without_overwritten as cleared
from dltk_runtime.scrub import MASK, Scrubber


def stream(text: str, name: str = "stdout") -> NotebookNode:
    return NotebookNode(output_type="stream", name=name, text=text)


def shown(outputs: list[NotebookNode]) -> list[tuple[str, str]]:
    return [(each.get("name", each.output_type), each.get("text", "")) for each in outputs]


def test_each_stream_becomes_one_output_stdout_first() -> None:
    picture = NotebookNode(output_type="display_data")
    outputs = [stream("e", "stderr"), stream("a"), picture, stream("b"), stream("f", "stderr")]
    assert shown(coalesced(outputs)) == [("stdout", "ab"), ("stderr", "ef"), ("display_data", "")]


@given(st.text("ab\r\n\x85\u2028", max_size=30))
def test_overwritten_text_goes_as_nbclient_has_it(text: str) -> None:
    assert cleared(text) == re.sub(r".*\r(?=[^\n])", "", text)


def test_a_line_without_an_end_is_passed_on_without_the_secret_in_it() -> None:
    passed: list[str] = []
    lines = WholeLines(passed.append, Scrubber(["s3cret"]))
    for piece in ("x" * (MAX_LINE_CHARACTERS - 3), "s3c", "ret", "y" * MAX_LINE_CHARACTERS):
        lines.feed(piece)
    assert sum(map(len, passed)) > MAX_LINE_CHARACTERS
    lines.end()
    assert "".join(passed) == "x" * (MAX_LINE_CHARACTERS - 3) + MASK + "y" * MAX_LINE_CHARACTERS + "\n"


@pytest.mark.parametrize("pieces", [1, 7])
def test_what_a_cell_prints_without_end_is_bounded(pieces: int) -> None:
    kept, printed = Kept(), 3 * MAX_KEPT_CHARACTERS
    outputs = [stream("x" * (printed // pieces)) for _ in range(pieces)]
    for output in outputs:
        kept.take(output)
    assert sum(len(output.text) for output in outputs) == 2 * MAX_KEPT_CHARACTERS
    (output,) = kept.shortened(coalesced(outputs))
    left_out = printed // pieces * pieces - MAX_KEPT_CHARACTERS
    assert output.text == "x" * MAX_KEPT_CHARACTERS + f"\n[… {left_out:,} characters left out …]\n"
