"""Compares recorded answers with found ones, byte by byte, after the texts that were reworded on purpose.

``reworded.toml`` lists these, in their order::

    [[reworded]]
    old = "what the recorded answers say"
    new = "what the runtime says today"
    why = "the reason"

`old` and `new` are written as a person reads them; in the answers they may stand in JSON, in JSON in JSON, and in CSV.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.upgrade.scenario import RECORDED

REWORDED = RECORDED.parent / "reworded.toml"
AROUND = 60  # characters shown before and after a difference
LONGEST = 240  # characters shown of each side of one
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
    """The part in which two texts differ, with a little before and after: ``…one [-two-]{+three+} four…``."""
    start = _common(recorded, found)
    end = _common(recorded[start:][::-1], found[start:][::-1])
    old, new = recorded[start : len(recorded) - end], found[start : len(found) - end]
    before, after = recorded[max(start - AROUND, 0) : start], recorded[len(recorded) - end :][:AROUND]
    return f"…{before}[-{_short(old)}-]{{+{_short(new)}+}}{after}…"


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
