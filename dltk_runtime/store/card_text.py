"""The model card in sections, and as Markdown. Texts from outside are escaped: none becomes markup or HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dltk_runtime.store import figures
from dltk_runtime.store.card import Field, ShownCard

MAX_DRIFTED = 10  # fields in the table of drift: the JSON has all
UNKNOWN = "not known"
NO_PURPOSE = "The notebook has no text in its first cell, or it was not kept."
FIELD_HEADS = ("field", "kind", "counted", "missing", "values")
DRIFT_HEADS = ("field", "index", "values that the fit did not see")
_MARKUP = str.maketrans({each: f"\\{each}" for each in "\\`*_{}[]#|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})
_IN_QUOTES = str.maketrans({"<": "&lt;", "&": "&amp;"})


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a card in texts as they are: whoever shows them escapes them.

    Attributes:
        title: Its heading; empty for the facts that begin a card.
        kind: What `lines` are: sentences, the Markdown of the notebook's author, a command, or entries of a list.
        heads: The titles of a table's columns; none without a table, which stands below the lines.
    """

    title: str
    kind: Literal["text", "quote", "command", "list"] = "text"
    lines: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def sections(card: ShownCard) -> list[Section]:
    """Return what a card says, in its order."""
    purpose = card.purpose.splitlines()
    return [
        Section("", heads=("", ""), rows=tuple(_facts(card))),
        Section("Purpose", "quote", tuple(purpose)) if purpose else Section("Purpose", lines=(NO_PURPOSE,)),
        Section("Fit", "command", (card.fit,)),
        Section("Figures", heads=("rows", "figures"), rows=tuple(_figures(card))),
        Section("Fields", heads=FIELD_HEADS, rows=tuple(map(_field, card.fields))),
        _drift(card),
        Section("Code and libraries", heads=("what", "hash or release"), rows=tuple(_code_rows(card))),
        Section("Limits", "list", (*card.limits, *card.notices)),
    ]


def markdown(card: ShownCard) -> str:
    """Return a card as Markdown that ends with a newline."""
    title = f"# Model card: {plain(card.algorithm)} / {plain(card.model)}, version {card.number}"
    parts = [[title], *(_written(each) for each in sections(card))]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _written(section: Section) -> list[str]:
    write = {"text": plain, "quote": _quoted, "command": _indented, "list": _entry}
    blocks = [[write[section.kind](each) for each in section.lines]]
    if section.kind == "text":  # each sentence is a paragraph
        blocks = [[each] for each in blocks[0]]
    if section.heads:
        blocks.append(_table(section.heads, section.rows))
    lines = [line for block in blocks for line in ("", *block)][1:]
    return [f"## {section.title}", "", *lines] if section.title else lines


def plain(text: object) -> str:
    """Return a foreign text on one line, without markup."""
    line = " ".join(str(text).split())
    return "".join(each if each.isprintable() else "?" for each in line).translate(_MARKUP)


def _quoted(line: str) -> str:
    """Quote a line of the author's Markdown; HTML in it stays text."""
    return f"> {''.join(each if each.isprintable() else ' ' for each in line).translate(_IN_QUOTES)}".rstrip()


def _indented(text: str) -> str:
    """Return a line as a block of code: indented, so that nothing in it can end the block."""
    return "    " + "".join(each if each.isprintable() else "?" for each in text)


def _entry(text: str) -> str:
    return f"- {plain(text)}"


def _facts(card: ShownCard) -> Iterator[tuple[str, str]]:
    yield "state", "current" if card.current else "not current"
    yield "committed (UTC)", f"{card.time:%Y-%m-%d %H:%M:%S}"
    yield "token", card.owner or UNKNOWN
    yield "job", card.job or UNKNOWN
    yield "rows", f"{card.rows:,}"
    yield "target", ", ".join(card.targets) or "none"
    yield "parameters", ", ".join(f"{name}={text}" for name, text in card.parameters.items()) or "none"
    yield "made", "at the commit" if card.stored else "when it was shown: an older runtime committed the version"


def _figures(card: ShownCard) -> Iterator[tuple[str, str]]:
    if text := figures.listed(card.train):
        yield f"train, of the {card.rows:,} rows of the fit", text
    if card.holdout is not None and (text := figures.listed(card.holdout.metrics)):
        yield f"holdout, {card.holdout.rows:,} rows that the fit has not seen", text
    for each in card.later:
        yield f"later, {each.time:%Y-%m-%d %H:%M} UTC", figures.later(each)


def _field(field: Field) -> tuple[str, ...]:
    name = f"{field.name} (target)" if field.target else field.name
    counted = "" if field.rows is None else f"{field.rows:,}"
    missing = "" if field.missing is None else f"{field.missing:,}"
    return name, field.kind, counted, missing, _values(field)


def _values(field: Field) -> str:
    if field.minimum is not None and field.maximum is not None:
        mean = "" if field.mean is None else f", mean {figures.number(field.mean)}"
        return f"{figures.number(field.minimum)} to {figures.number(field.maximum)}{mean}"
    distinct = "" if field.distinct is None else f"{field.distinct} different"
    common = ", ".join(f"{text} ({rows:,})" for text, rows in field.common.items())
    return ": ".join(filter(None, [distinct, common]))


def _drift(card: ShownCard) -> Section:
    counted = [each for each in card.fields if each.baseline is not None]
    rows = max((each.rows or 0 for each in counted), default=0)
    baseline = f"The baseline: the values of {len(counted)} of {len(card.fields)} fields in {rows:,} rows of the fit."
    if (drift := card.drift) is None:
        return Section("Drift", lines=(baseline, "No judgement of applied rows is known here."))
    judged = (
        f"The last judgement is of {drift.rows:,} applied rows. From an index of {drift.limit:g} on a field drifts."
    )
    worst = sorted(drift.fields, key=lambda each: -each.index)[:MAX_DRIFTED]
    shown = tuple((each.feature, figures.number(each.index), f"{each.unseen:.1%}") for each in worst)
    return Section("Drift", lines=(baseline, judged), heads=DRIFT_HEADS, rows=shown)


def _code_rows(card: ShownCard) -> Iterator[tuple[str, str]]:
    for each in card.sources:
        yield each.path, each.sha256
    if card.code_sha256:
        yield "code.json, all of these", card.code_sha256
    yield from card.libraries.items()


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(map(plain, row))} |" for row in rows]
    return [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles), *lines] if lines else ["None."]
