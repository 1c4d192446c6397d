"""The reader of blocks finds what a page must not have: blocks that fail, print something else, or are not marked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks_of
from tests.docs.expected import matches
from tests.docs.page import PageWrong, Run

pytestmark = pytest.mark.process

NONE_RUNS = {"DLTK_URL": "http://127.0.0.1:1", "api_token": "none"}


def run(markdown: str, folder: Path) -> None:
    page = Run("page.md", folder, NONE_RUNS)
    for block in blocks_of(markdown):
        page.run(block)


def test_a_block_has_its_line_its_language_and_its_mark() -> None:
    text = "Words.\n\n<!-- not run: too slow -->\n```sh\nsleep 9\n```\n\n- In a list:\n\n    ```json\n    {}\n    ```\n"
    assert list(blocks_of(text)) == [
        Block(5, "sh", "sleep 9\n", "not run", "too slow"),
        Block(11, "json", "{}\n"),
    ]


@pytest.mark.parametrize(
    "good",
    [
        "```sh\necho one\n```\n\n```text\none\n```\n",
        "```sh\ncd /; x=1; export y=2\n```\n```sh\npwd; echo $y\n```\n```text\n/\n2\n```\n",
        "```python\nprint(1 + 1)\n```\n```text\n2\n```\n",
        "<!-- fails -->\n```sh\nexit 3\n```\n",
        "<!-- file: a.txt -->\n```text\nhello\n```\n```sh\ncat a.txt\n```\n```text\nhello\n```\n",
        '```json\n{"a": [1]}\n```\n```yaml\na: 1\n```\n```ini\n[a]\nb = 1\n```\n',
        "<!-- not run: needs a Splunk -->\n```sh\ndltk flow install web --owner svc\n```\n",
        "<!-- not run: needs a Splunk -->\n```spl\nindex=x | fit MLTKContainer algo=a y from x into app:m\n```\n",
    ],
)
def test_a_page_that_does_what_it_says_passes(good: str, tmp_path: Path) -> None:
    run(good, tmp_path)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("```sh\nfalse\n```\n", "exit code 1"),
        ("```sh\nfalse\ntrue\n```\n", "exit code 1"),
        ("<!-- fails -->\n```sh\ntrue\n```\n", "exit code 0"),
        ("```sh\necho one\n```\n```text\ntwo\n```\n", "not what was printed"),
        ("```text\nwords\n```\n", "no block that ran"),
        ("```\n| makeresults\n```\n", "not marked"),
        ("```java\nx\n```\n", "not marked"),
        ("```json\n{]\n```\n", "cannot be parsed"),
        ("```yaml\na: [\n```\n", "cannot be parsed"),
        ("```python\nraise SystemExit(2)\n```\n", "exit code 2"),
        ("```spl\n| nonsense\n```\n", "exit code"),
        ("<!-- not run:  -->\n```sh\ntrue\n```\n", "no reason"),
        ("<!-- not run: why -->\n```sh\nif\n```\n", "no shell text"),
        ("<!-- not run: why -->\n```sh\ndltk serf\n```\n", "no command"),
        ("<!-- not run: why -->\n```sh\nx=1 && dltk serve --prot 1\n```\n", "no such option"),
        ("<!-- not run: why -->\n```sh\nmake nothing\n```\n", "no target"),
        ("<!-- not run: why -->\n```python\ndef\n```\n", "no Python"),
        ("<!-- not run: why -->\n```spl\nindex=x | fit MLTKContainer from into\n```\n", "Splunk refuses"),
    ],
)
def test_a_page_that_does_not_is_found(wrong: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(PageWrong, match=why):
        run(wrong, tmp_path)


@pytest.mark.parametrize(
    ("stated", "printed", "same"),
    [
        ("a  b\n", "┃ a │ b ┃\n───\n", True),
        ("a …\n", "a 1 2\n", True),
        ("a …\n", "b\n", False),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nd\n", True),
        ("a\n", "a\nb\n", False),
        ("a.b\n", "axb\n", False),
        ("", "a\n", False),
    ],
)
def test_stated_output_is_compared_whole(stated: str, printed: str, same: bool) -> None:
    assert matches(stated, printed) is same
