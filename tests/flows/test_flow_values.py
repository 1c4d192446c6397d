"""No value of a flow becomes another stanza, another setting or another command: it is refused, or stands as a value.

Only `base`, `prepare` and `derive` are searches, which their author writes; they stay one value each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.flows import conf
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.flow import SEARCH_TEXTS, Flow, make, read
from dltk_runtime.flows.generate import files
from tests.flows.helpers import flow_of

BREAKS = ["\n", "\r", "\r\n", "\\\n", "\n\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"]
OTHER_STANZA = "[evil]{0}search = index=main | delete{0}enableSched = 1"
# What would end a value within a search, begin a command, a subsearch or a macro there, or stand for another value.
SPL = ['"', "|", "`", "[", "]", "$env:user$", "{{name}}", "<b>", "'", "\\"]


def texts(flow: Flow) -> list[str]:
    """The fields that hold texts, alone or several."""
    found = {name: getattr(flow, name) for name in flow.__struct_fields__}
    return [name for name, value in found.items() if type(value) is str or isinstance(value, tuple)]


def stanzas(flow: Flow) -> dict[str, list[tuple[str, list[str]]]]:
    """The stanzas of each file with the names of their settings, without what the name of the flow decides."""
    return {
        path: [(stanza.name, list(stanza.settings)) for stanza in conf.parse(text)]
        for path, text in files(flow).items()
        if path.endswith((".conf", ".meta"))
    }


def with_value(flow: Flow, name: str, more: str) -> Flow:
    """A flow of the same content with text added to one field.

    Raises:
        FlowInvalid: it is refused.
    """
    content: dict[str, Any] = {each: getattr(flow, each) for each in flow.__struct_fields__}
    before = content[name]
    content[name] = [*before, more] if isinstance(before, tuple) else before + more
    return make(content)


@pytest.mark.parametrize(
    "text",
    [
        *("name: !!python/object/apply:os.system [id]", "name: !!int x", "name: 2026-13-45", "2026: x"),
        *("name: " + "[" * 3000, "name: " + "9" * 5000, "name: &a [*a]", "? {a: 1}\n: 2", "name: \x00", "- a"),
    ],
)
def test_what_is_no_flow_is_refused_and_runs_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "flow.yaml").write_text(text)
    with pytest.raises(FlowInvalid, match=r"flow\.yaml"):
        read(tmp_path / "flow.yaml")


KINDS = ["direct", "summary", "feedback"]
FIELDS = [(kind, name) for kind in KINDS for name in texts(flow_of(kind))]


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_no_value_becomes_a_stanza_or_a_setting(kind: str, name: str) -> None:
    flow = flow_of(kind)
    expected = stanzas(flow)
    for line_end in BREAKS:
        try:
            changed = with_value(flow, name, line_end + OTHER_STANZA.format(line_end))
        except FlowInvalid:
            continue
        assert name in SEARCH_TEXTS, (name, line_end)
        assert stanzas(changed) == expected, (name, line_end)


@pytest.mark.parametrize(("kind", "name"), [pair for pair in FIELDS if pair[1] not in SEARCH_TEXTS])
def test_no_value_becomes_a_part_of_a_search(kind: str, name: str) -> None:
    flow = flow_of(kind)
    for text in SPL:
        with pytest.raises(FlowInvalid):
            with_value(flow, name, f" {text} delete")
