"""Functions of fields with several values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.spl.functions.function import Function
from dltk_runtime.emulator.spl.functions.patterns import check_pattern, pattern
from dltk_runtime.emulator.spl.values import Fields, Value, multi, number, text, tidy, values_of

MAX_RANGE_VALUES = 10_000


def _split(value: Value, separator: Value) -> Value:
    written, mark = text(value) or "", text(separator) or ""
    parts = written.split(mark) if mark else list(written)
    if len(parts) > 1 and "" in parts:
        raise SearchError("split() of a text with an empty part between two separators runs in Splunk only")
    return multi(parts)


def _index(value: Value, start: Value, end: Value = None) -> Value:
    values, first = values_of(value), number(start)
    if first is None:
        return None
    begin = int(first) + (len(values) if first < 0 else 0)
    if end is None:
        return values[begin] if 0 <= begin < len(values) else None
    last = number(end)
    if last is None:
        return None
    stop = int(last) + (len(values) if last < 0 else 0)
    return multi(values[max(begin, 0) : stop + 1])


def _join(value: Value, separator: Value) -> Value:
    return (text(separator) or "").join(text(each) or "" for each in values_of(value))


def _append(*values: Value) -> Value:
    return multi(each for value in values for each in values_of(value))


def _dedup(value: Value) -> Value:
    first: dict[str | None, Value] = {}
    for each in values_of(value):
        first.setdefault(text(each), each)
    return multi(first.values())


def _sort(value: Value) -> Value:
    return multi(sorted(values_of(value), key=lambda each: text(each) or ""))


def _find(value: Value, regex: Value) -> Value:
    wanted = pattern(text(regex) or "")
    return next((place for place, each in enumerate(values_of(value)) if wanted.search(text(each) or "")), None)


def _range(start: Value, end: Value, step: Value = 1) -> Value:
    first, last, stride = number(start), number(end), number(step)
    if first is None or last is None or not stride:
        return None
    steps = (last - first) / stride
    if steps > MAX_RANGE_VALUES:
        raise SearchError(f"mvrange() makes more than {MAX_RANGE_VALUES:,} values")
    count = max(int(steps) + (steps > int(steps)), 0)
    return multi(text(tidy(first + turn * stride)) for turn in range(count))


def _zip(left: Value, right: Value, separator: Value = ",") -> Value:
    pairs = zip_longest(values_of(left), values_of(right))
    mark = text(separator) or ""
    return multi(f"{text(first)}{mark}{text(second)}" for first, second in pairs if None not in (first, second))


def _bind_map(arguments: Sequence[Any]) -> Callable[[Fields], Value]:
    """Bind mvmap(field, expression): the expression of each value."""
    name, evaluate = arguments[0].name, arguments[1].evaluate
    return lambda row: multi(evaluate({**row, name: each}) for each in values_of(row.get(name)))


def _bind_filter(arguments: Sequence[Any]) -> Callable[[Fields], Value]:
    """Bind mvfilter(condition): the values for which it is true."""
    (name,) = arguments[0].fields
    keeps = arguments[0].evaluate
    return lambda row: multi(each for each in values_of(row.get(name)) if keeps({**row, name: each}) is True)


def _check_filter(arguments: Sequence[Any]) -> None:
    if len(arguments[0].fields) != 1:
        raise SearchInvalid("the arguments to the 'mvfilter' function are invalid: its condition reads one field")


def _nothing(*_: Value) -> Value:
    return None


MULTIVALUE: Mapping[str, Function] = {
    "mvappend": Function(_append, 1, None, kinds="v", nulls=True, several=True, form="mvappend(value, …)"),
    "mvcount": Function(lambda value: len(values_of(value)), 1, 1, kinds="m", several=True, form="mvcount(field)"),
    "mvdedup": Function(_dedup, 1, 1, kinds="m", several=True, form="mvdedup(field)"),
    "mvfilter": Function(
        _nothing, 1, 1, kinds="b", bound=_bind_filter, check=_check_filter, form="mvfilter(condition)"
    ),
    "mvfind": Function(
        _find, 2, 2, kinds="mt", several=True, form="mvfind(field, regex)", check=lambda given: check_pattern(given[1])
    ),
    "mvindex": Function(_index, 2, 3, kinds="mnn", several=True, form="mvindex(field, start[, end])"),
    "mvjoin": Function(_join, 2, 2, kinds="mt", several=True, form="mvjoin(field, text)"),
    "mvmap": Function(_nothing, 2, 2, kinds="fv", bound=_bind_map, form="mvmap(field, expression)"),
    "mvrange": Function(_range, 2, 3, kinds="n", form="mvrange(start, end[, step])"),
    "mvsort": Function(_sort, 1, 1, kinds="m", several=True, form="mvsort(field)"),
    "mvzip": Function(_zip, 2, 3, kinds="mmt", several=True, form="mvzip(field, field[, text])"),
    "split": Function(_split, 2, 2, kinds="vt", form="split(text, separator)"),
}
