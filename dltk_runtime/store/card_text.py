"""The model card as Markdown. Texts from outside are escaped: none becomes markup or HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dltk_runtime.store import figures
from dltk_runtime.store.card import CardDrift, Field, ShownCard

MAX_DRIFTED = 10  # fields in the table of drift: the JSON has all
UNKNOWN = "not known"
_MARKUP = str.maketrans({each: f"\\{each}" for each in "\\`*_{}[]#|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})
_IN_QUOTES = str.maketrans({"<": "&lt;", "&": "&amp;"})


def markdown(card: ShownCard) -> str:
    """Return a card as Markdown that ends with a newline."""
    state = "current" if card.current else "not current"
    title = f"# Model card: {plain(card.algorithm)} / {plain(card.model)}, version {card.number}"
    parts = [
        [title],
        _table(("", ""), _facts(card, state)),
        ["## Purpose", "", *_purpose(card.purpose)],
        ["## Fit", "", *_code(card.fit)],
        ["## Figures", "", *_table(("rows", "figures"), _figures(card))],
        ["## Fields", "", *_table(("field", "kind", "counted", "missing", "values"), map(_field, card.fields))],
        ["## Drift", "", *_drift(card)],
        ["## Code and libraries", "", *_table(("what", "hash or release"), _code_rows(card))],
        ["## Limits", "", *(f"- {plain(each)}" for each in (*card.limits, *card.notices))],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def plain(text: object) -> str:
    """Return a foreign text on one line, without markup."""
    line = " ".join(str(text).split())
    return "".join(each if each.isprintable() else "?" for each in line).translate(_MARKUP)


def _facts(card: ShownCard, state: str) -> Iterator[tuple[str, str]]:
    yield "state", state
    yield "committed (UTC)", f"{card.time:%Y-%m-%d %H:%M:%S}"
    yield "token", plain(card.owner) or UNKNOWN
    yield "job", plain(card.job) or UNKNOWN
    yield "rows", f"{card.rows:,}"
    yield "target", ", ".join(map(plain, card.targets)) or "none"
    yield "parameters", ", ".join(f"{plain(name)}={plain(text)}" for name, text in card.parameters.items()) or "none"
    yield "made", "at the commit" if card.stored else "when it was shown: an older runtime committed the version"


def _purpose(text: str) -> Iterator[str]:
    """Quote the author's Markdown; HTML in it stays text."""
    if not text:
        yield "The notebook has no text in its first cell, or it was not kept."
    for line in text.splitlines():
        yield f"> {''.join(each if each.isprintable() else ' ' for each in line).translate(_IN_QUOTES)}".rstrip()


def _code(text: str) -> list[str]:
    """Return a line as a block of code: indented, so that nothing in it can end the block."""
    return ["    " + "".join(each if each.isprintable() else "?" for each in text)]


def _figures(card: ShownCard) -> Iterator[tuple[str, str]]:
    if text := figures.listed(card.train):
        yield f"train, of the {card.rows:,} rows of the fit", plain(text)
    if card.holdout is not None and (text := figures.listed(card.holdout.metrics)):
        yield f"holdout, {card.holdout.rows:,} rows that the fit has not seen", plain(text)
    for each in card.later:
        yield f"later, {each.time:%Y-%m-%d %H:%M} UTC", plain(figures.later(each))


def _field(field: Field) -> tuple[str, str, str, str, str]:
    name = f"{plain(field.name)} (target)" if field.target else plain(field.name)
    counted = "" if field.rows is None else f"{field.rows:,}"
    missing = "" if field.missing is None else f"{field.missing:,}"
    return name, field.kind, counted, missing, _values(field)


def _values(field: Field) -> str:
    if field.minimum is not None and field.maximum is not None:
        mean = "" if field.mean is None else f", mean {figures.number(field.mean)}"
        return f"{figures.number(field.minimum)} to {figures.number(field.maximum)}{mean}"
    distinct = "" if field.distinct is None else f"{field.distinct} different"
    common = ", ".join(f"{plain(text)} ({rows:,})" for text, rows in field.common.items())
    return ": ".join(filter(None, [distinct, common]))


def _drift(card: ShownCard) -> Iterator[str]:
    counted = [each for each in card.fields if each.baseline is not None]
    rows = max((each.rows or 0 for each in counted), default=0)
    yield f"The baseline: the values of {len(counted)} of {len(card.fields)} fields in {rows:,} rows of the fit."
    yield ""
    if card.drift is None:
        yield "No judgement of applied rows is known here."
    else:
        yield from _judged(card.drift)


def _judged(drift: CardDrift) -> Iterator[str]:
    yield f"The last judgement is of {drift.rows:,} applied rows. From an index of {drift.limit:g} on a field drifts."
    yield ""
    worst = sorted(drift.fields, key=lambda each: -each.index)[:MAX_DRIFTED]
    rows = ((plain(each.feature), figures.number(each.index), f"{each.unseen:.1%}") for each in worst)
    yield from _table(("field", "index", "values that the fit did not see"), rows)


def _code_rows(card: ShownCard) -> Iterator[tuple[str, str]]:
    for each in card.sources:
        yield plain(each.path), each.sha256
    if card.code_sha256:
        yield "code.json, all of these", card.code_sha256
    for name, release in card.libraries.items():
        yield plain(name), plain(release)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles), *lines] if lines else ["None."]
