"""The query language of the KV store: the subset of MongoDB's that Splunk documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from dltk_runtime.emulator.standin.refusal import NotEmulated

Document = Mapping[str, Any]
Match = Callable[[Document], bool]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda have, want: have > want,
    "$gte": lambda have, want: have >= want,
    "$lt": lambda have, want: have < want,
    "$lte": lambda have, want: have <= want,
}


def matcher(query: Mapping[str, Any]) -> Match:
    """Compile `query` to a predicate over documents.

    Raises:
        NotEmulated: an operator beyond $gt, $gte, $lt, $lte, $ne, $eq, $in, $exists, $regex, $and, $or and $not.
    """
    parts = [_part(key, wanted) for key, wanted in query.items()]
    return lambda document: all(part(document) for part in parts)


def _part(key: str, wanted: Any) -> Match:
    match key:
        case "$and":
            every = [matcher(each) for each in wanted]
            return lambda document: all(part(document) for part in every)
        case "$or":
            some = [matcher(each) for each in wanted]
            return lambda document: any(part(document) for part in some)
        case "$not":
            inner = matcher(wanted)
            return lambda document: not inner(document)
    if key.startswith("$"):
        raise NotEmulated(f"the operator {key!r} in KV store queries")
    if isinstance(wanted, Mapping) and any(name.startswith("$") for name in wanted):
        tests = [_test(operator, operand) for operator, operand in wanted.items()]
        return lambda document: all(test(document.get(key)) for test in tests)
    return lambda document: bool(document.get(key) == wanted)


def _test(operator: str, operand: Any) -> Callable[[Any], bool]:
    if operator in _COMPARE:
        compare = _COMPARE[operator]
        # As in MongoDB, values of different types never compare: null is not less than 1.
        return lambda have: _same_kind(have, operand) and compare(have, operand)
    match operator:
        case "$eq":
            return lambda have: bool(have == operand)
        case "$ne":
            return lambda have: bool(have != operand)
        case "$in":
            return lambda have: have in operand
        case "$exists":
            return lambda have: (have is not None) == bool(operand)
        case "$regex":
            pattern = re.compile(str(operand))
            return lambda have: isinstance(have, str) and bool(pattern.search(have))
    raise NotEmulated(f"the operator {operator!r} in KV store queries")


def _same_kind(have: Any, want: Any) -> bool:
    if isinstance(have, bool) or isinstance(want, bool):
        return isinstance(have, bool) and isinstance(want, bool)
    return (isinstance(have, str) and isinstance(want, str)) or (
        isinstance(have, int | float) and isinstance(want, int | float)
    )
