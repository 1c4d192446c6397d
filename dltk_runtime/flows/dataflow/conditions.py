"""Conditions of ``search`` and ``where``: which values they ask for, which fields they leave without nulls."""

from __future__ import annotations

import re
from itertools import product

from dltk_runtime.flows.dataflow.notes import Constraints
from dltk_runtime.flows.dataflow.pipe import masked_texts
from dltk_runtime.flows.dataflow.shapes import Shape

_TERM = re.compile(r"""'?([\w.:{}-]+)'?\s*(==|=|!=|<=|>=|<|>)\s*("(?:\\.|[^"\\])*"|[^\s()|]+)""")
_MAX_ALTERNATIVES = 64


def alternatives(text: str) -> tuple[Constraints, ...]:
    """Return what a search for these words asks for: any of these sets of values.

    ``flow="x" (kind="row" OR kind="run")`` asks for two. Words, NOT and comparisons ask for nothing.
    """
    parts = _outer(text, r"\s+OR\s+")
    if len(parts) > 1:
        return tuple(each for part in parts for each in alternatives(part))[:_MAX_ALTERNATIVES]
    groups = [_group(part) for part in _conjuncts(text)]
    return tuple(_joined(choice) for choice in product(*groups))[:_MAX_ALTERNATIVES] or ({},)


def _group(part: str) -> tuple[Constraints, ...]:
    inner = part.strip()
    if inner.startswith("(") and inner.endswith(")"):
        return alternatives(inner[1:-1])
    match = _TERM.fullmatch(inner)
    if match is None or match[2] not in ("=", "==") or re.search(r"[*$]", match[3]):  # or a token of a view
        return ({},)
    return ({match[1]: frozenset((match[3].strip('"'),))},)


def _joined(choice: tuple[Constraints, ...]) -> Constraints:
    joined: dict[str, frozenset[str]] = {}
    for each in choice:
        for name, values in each.items():
            joined[name] = joined[name] & values if name in joined else values
    return joined


def _conjuncts(text: str) -> list[str]:
    """Split at AND and at blanks outside of brackets; what NOT is in front of asks for nothing."""
    terms: list[str] = []
    for part in _outer(re.sub(r"\s*(==|!=|<=|>=|=|<|>)\s*", r"\1", text), r"\s+AND\s+|\s+|(?<=\))(?=\()"):
        if part and not (terms and terms[-1].upper() == "NOT"):
            terms.append(part)
        elif part:
            terms[-1] = ""
    return [term for term in terms if term and term.upper() not in ("AND", "NOT")]


def _outer(text: str, pattern: str) -> list[str]:
    """Split at `pattern` outside of quotes and round brackets."""
    plain, depth, begin, parts = list(masked_texts(text)), 0, 0, list[str]()
    for at, character in enumerate(plain):
        depth += (character == "(") - (character == ")")
        if depth > 0 and plain[at] != "(":
            plain[at] = "_"
    for match in re.finditer(pattern, "".join(plain)):
        parts.append(text[begin : match.start()])
        begin = match.end()
    return [part.strip() for part in [*parts, text[begin:]] if part.strip()]


def named_in(text: str) -> set[str]:
    """Return the fields that a search compares with anything."""
    return {match[1] for match in _TERM.finditer(masked_texts(text))}


def filled_by(condition: str) -> set[str]:
    """Return the fields that are not null in a row that meets the condition."""
    if len(_outer(condition, r"\s+(?i:OR)\s+")) > 1:
        return set()
    found: set[str] = set()
    for part in _outer(condition, r"\s+(?i:AND)\s+"):
        if (match := re.match(r"\s*(?:isnotnull|match|like|cidrmatch)\(\s*'?([\w.]+)'?", part)) or (
            match := re.match(r"\s*(?:tonumber\(|len\()?\s*'?([A-Za-z_][\w.]*)'?\)?\s*(?:==|=|<=|>=|<|>)", part)
        ):
            found.add(match[1])
    return found


def meets(shape: Shape, condition: str, *, words: bool = False) -> bool:
    """Return False when no row of this form can meet the condition, by its known values.

    With `words` it is one of ``search``, which takes capitals for small letters and has wildcards.
    """
    if len(_outer(condition, r"\s+(?i:OR)\s+")) > 1:
        return any(meets(shape, part, words=words) for part in _outer(condition, r"\s+(?i:OR)\s+"))
    for part in _outer(condition, r"\s+(?i:AND)\s+"):
        if any(pair in shape.below for pair in larger(part) if "=" not in part):
            return False
        match = re.fullmatch(r"""\(?\s*'?([A-Za-z_][\w.]*)'?\s*==?\s*("(?:\\.|[^"\\])*"|-?\d+)\s*\)?""", part.strip())
        if match and "$" not in match[2] and not (words and "*" in match[2]):
            text = match[2].strip('"')
            if shape.never(match[1], (shape.spelled(match[1], text) if words else text,)):
                return False
    return True


def larger(condition: str) -> list[tuple[str, str]]:
    """Return the fields that a comparison names, the larger one first; none for a condition of another form."""
    match = re.fullmatch(r"""\(?\s*'?([A-Za-z_][\w.]*)'?\s*([<>])=?\s*'?([A-Za-z_][\w.]*)'?\s*\)?""", condition.strip())
    if match is None:
        return []
    return [(match[1], match[3]) if match[2] == ">" else (match[3], match[1])]


def parts_of(condition: str, connection: str) -> list[str]:
    """Return what AND or OR connects, outside of brackets."""
    return _outer(condition, rf"\s+(?i:{connection})\s+")
