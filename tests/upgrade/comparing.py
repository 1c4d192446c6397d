"""Compares recorded answers with found ones, byte by byte, after the texts that were reworded on purpose.

``reworded.toml`` lists these, in their order::

    [[reworded]]
    old = "what the recorded answers say"
    new = "what the runtime says today"
    why = "the reason"

`old` and `new` are written as a person reads them; in the answers they may stand in JSON, in JSON in JSON, and in CSV.
"""

from __future__ import annotations

import functools
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from tests.upgrade.scenario import RECORDED

REWORDED = RECORDED.parent / "reworded.toml"
AROUND = 50  # characters shown before and after a difference
LONGEST = 200  # characters shown of each side of one
NEAR = 20  # equal characters between two differences that are shown as one
MOST = 3  # differences shown of one answer
_WORD = re.compile(r"\w+|\W")
PARTS = ("status", "headers", "body")

Recorded = dict[str, Any]  # name, status, headers, body


def reworded() -> list[dict[str, str]]:
    """The entries of ``reworded.toml``."""
    entries: list[dict[str, str]] = tomllib.loads(REWORDED.read_text(encoding="utf-8")).get("reworded", [])
    return entries


def with_rewording(answers: Sequence[Recorded], entries: Sequence[Mapping[str, str]]) -> list[Recorded]:
    """The answers with every `old` replaced by its `new`."""
    return [
        {**answer, **{part: _replaced(answer[part], entries) for part in ("headers", "body")}} for answer in answers
    ]


def mismatches(recorded: Sequence[Recorded], found: Sequence[Recorded]) -> Iterator[str]:
    """What differs, a line for each part of each answer; nothing when all is equal."""
    expected, given = ({answer["name"]: answer for answer in answers} for answers in (recorded, found))
    if len(expected) < len(recorded) or len(given) < len(found):
        yield "a name comes twice"
    for name in expected.keys() - given.keys():
        yield f"{name}: recorded, and not answered now"
    for name in given.keys() - expected.keys():
        yield f"{name}: answered now, and not recorded"
    for name, answer in expected.items():
        for part in PARTS:
            if name in given and given[name][part] != answer[part]:
                yield f"{name} ({part}): {difference(str(answer[part]), str(given[name][part]))}"


def difference(recorded: str, found: str) -> str:
    """The first places in which two texts differ, each with a little around it: ``…one [-two-]{+three+} four…``."""
    places = list(_places(recorded, found))
    shown = [
        f"…{recorded[max(start - AROUND, 0) : start]}[-{_short(recorded[start:end])}-]"
        f"{{+{_short(new)}+}}{recorded[end : end + AROUND]}…"
        for start, end, new in places[:MOST]
    ]
    return " ".join(shown) + (f" and {len(places) - MOST} more" if len(places) > MOST else "")


def _places(recorded: str, found: str) -> Iterator[tuple[int, int, str]]:
    """Start and end of each part of `recorded` that differs, and what is there in `found`; near ones are one."""
    start = _common(recorded, found)
    end = _common(recorded[start:][::-1], found[start:][::-1])
    old, new = _WORD.findall(recorded[start : len(recorded) - end]), _WORD.findall(found[start : len(found) - end])
    begun: tuple[int, int, str] | None = None
    for kind, first, last, new_first, new_last in SequenceMatcher(None, old, new).get_opcodes():
        before, same, now = (
            start + len("".join(old[:first])),
            "".join(old[first:last]),
            "".join(new[new_first:new_last]),
        )
        if kind == "equal" and len(same) > NEAR and begun:
            yield begun
            begun = None
        elif begun:
            begun = (begun[0], before + len(same), begun[2] + now)
        elif kind != "equal":
            begun = (before, before + len(same), now)
    if begun:
        yield begun


@functools.cache
def forms(old: str, new: str) -> dict[str, str]:
    """How a text and its successor may stand in an answer."""
    pairs = [(old, new), (_csv(old), _csv(new))]
    for _ in range(2):
        pairs += [(_json(before), _json(after)) for before, after in pairs]
    return dict(reversed(pairs))


def _replaced(text: str, entries: Sequence[Mapping[str, str]]) -> str:
    for entry in entries:
        for old, new in sorted(forms(entry["old"], entry["new"]).items(), key=lambda pair: -len(pair[0])):
            if old in text:
                text = text.replace(old, new)
                break  # a shorter form would be found in what was just written
    return text


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common at their start."""
    return next(
        (place for place, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1),
        min(len(one), len(other)),
    )


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _csv(text: str) -> str:
    return text.replace('"', '""')


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
