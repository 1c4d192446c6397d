"""Commands that compute fields of each row: eval, where, foreach, rex and others."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pandas as pd

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import STRING
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl import expressions, options
from dltk_runtime.emulator.spl.columns import matching
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.functions.patterns import pattern, replaced
from dltk_runtime.emulator.spl.options import flag, whole
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.statistics.aggregation import captured
from dltk_runtime.emulator.spl.values import Value, multi, text, values_of
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

_SED = re.compile(r"s(?P<mark>[/#|,@])(?P<regex>.*?)(?<!\\)(?P=mark)(?P<new>.*?)(?<!\\)(?P=mark)(?P<flags>g?|\d+)")
_FOREACH = re.compile(r"(?P<names>[^\[]*)\[(?P<pipeline>.*)\]\s*", re.DOTALL)


def where(arguments: str, context: Context) -> Step:
    """Keep the rows for which the condition is true, not false or null."""
    condition = expressions.parse_condition(arguments, context.eval_functions())

    def step(frame: pd.DataFrame) -> Result:
        kept = [condition.evaluate(row) is True for row in rows_of(frame)]
        return Result(frame[pd.Series(kept, index=frame.index, dtype=bool)])

    return step


def eval_(arguments: str, context: Context) -> Step:
    """Compute fields; each assignment sees those before it."""
    evaluate = assigning(arguments, context)

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        for row in rows:
            evaluate(row)
        return Result(frame_of(rows, frame.columns))

    return step


def assigning(arguments: str, context: Context) -> Callable[[Row], None]:
    """Compile the assignments of an eval into a function that changes a row.

    Raises:
        SearchInvalid: as `expressions.parse_assignments`.
    """
    assignments = [
        (expressions.parse_template(name) if "{" in name else None, name, expression.evaluate)
        for name, expression in expressions.parse_assignments(arguments, context.eval_functions())
    ]

    def evaluate(row: Row) -> None:
        for template, name, compute in assignments:
            row[template(row) if template else name] = compute(row)

    return evaluate


def foreach(arguments: str, context: Context) -> Step:
    """Run an eval for each field that matches, as in ``foreach x* [eval <<FIELD>>=…]``."""
    found = _FOREACH.fullmatch(arguments)
    if found is None:
        raise SearchInvalid("expected names of fields and an eval in brackets: foreach x* [eval <<FIELD>>=0]")
    given, words = options.split(found["names"], {"mode": str})
    if given.get("mode", "multifield") != "multifield":
        raise SearchInvalid(f"mode={given['mode']} runs in Splunk only; here runs mode=multifield")
    names = [unquote(word) for word in words]
    evaluation = re.fullmatch(r"\s*\|?\s*eval\s+(.*)", found["pipeline"], re.DOTALL | re.IGNORECASE)
    if not names or evaluation is None:
        raise SearchInvalid("expected names of fields, and in the brackets one eval: other commands run in Splunk only")
    template = evaluation[1]
    for name in names:  # so that an error shows before any row is read
        assigning(_filled(template, name.replace("*", "x"), ["x"] * name.count("*")), context)

    def step(frame: pd.DataFrame) -> Result:
        matches = [(field, parts) for name in names for field, parts in _matches(name, frame)]
        evaluations = [assigning(_filled(template, field, parts), context) for field, parts in matches]
        rows = rows_of(frame)
        for row in rows:
            for evaluate in evaluations:
                evaluate(row)
        return Result(frame_of(rows, frame.columns))

    return step


def _matches(name: str, frame: pd.DataFrame) -> list[tuple[str, Sequence[str]]]:
    if "*" not in name:
        return [(name, ())]
    found = ((field, captured(name).fullmatch(field)) for field in frame.columns if not field.startswith("_"))
    return [(field, match.groups()) for field, match in found if match]


def _filled(template: str, field: str, parts: Sequence[str]) -> str:
    text_ = template.replace("<<FIELD>>", field).replace("<<MATCHSTR>>", "".join(parts) if parts else "")
    for place, part in enumerate(parts, 1):
        text_ = text_.replace(f"<<MATCHSEG{place}>>", part)
    if left := re.search(r"<<(\w+)>>", text_):
        raise SearchInvalid(f"the template {left[0]} has no value for the field {shown(field)}")
    return text_


def rex(arguments: str, _: Context) -> Step:
    """Extract named groups of a regular expression, or replace text with mode=sed."""
    given, words = options.split(arguments, {"field": unquote, "max_match": whole, "mode": str})
    if len(words) != 1 or not re.fullmatch(STRING, words[0], re.DOTALL):
        raise SearchInvalid('expected a quoted regular expression: rex field=x "(?<name>\\d+)"')
    field = given.get("field", "_raw")
    written = words[0][1:-1].replace('\\"', '"')
    if "mode" in given:
        if given["mode"] != "sed" or "max_match" in given:
            raise SearchInvalid("mode= is sed, without max_match=")
        return _sed(field, written)
    regex = pattern(written)
    if not regex.groupindex:
        raise SearchInvalid(f"the regular expression {shown(written)} has no named group such as (?<name>…)")
    most = given.get("max_match", 1)

    def step(frame: pd.DataFrame) -> Result:
        made = [row | _extracted(regex, row.get(field), most) for row in rows_of(frame)]
        return Result(frame_of(made, [*frame.columns, *regex.groupindex]))

    return step


def _extracted(regex: re.Pattern[str], value: Value, most: int) -> Row:
    found: dict[str, list[Value]] = {}
    matches = 0
    for each in values_of(value):
        for match in regex.finditer(text(each) or ""):
            matches += 1
            for name, part in match.groupdict().items():
                if part is not None:
                    found.setdefault(name, []).append(part)
            if most and matches == most:
                return {name: multi(parts) for name, parts in found.items()}
    return {name: multi(parts) for name, parts in found.items()}


def _sed(field: str, written: str) -> Step:
    found = _SED.fullmatch(written)
    if found is None:
        raise SearchInvalid(f"expected s/…/…/ or s/…/…/g, got {shown(written)}; y/…/…/ runs in Splunk only")
    mark = found["mark"]
    regex = pattern(found["regex"].replace(f"\\{mark}", mark))
    new = found["new"].replace(f"\\{mark}", mark)
    if found["flags"].isdigit():
        raise SearchInvalid("a number as flag of s/…/…/ runs in Splunk only")
    most = 0 if found["flags"] == "g" else 1

    def step(frame: pd.DataFrame) -> Result:
        made = [
            row | {field: multi(replaced(regex, new, text(each) or "", most) for each in values_of(row.get(field)))}
            for row in rows_of(frame)
        ]
        return Result(frame_of(made, frame.columns).reindex(columns=frame.columns))

    return step


def regex_(arguments: str, _: Context) -> Step:
    """Keep rows that match, as in ``regex field="…"`` or ``regex field!="…"``."""
    found = re.fullmatch(rf"\s*(?:(?P<field>[\w.]+)\s*(?P<sign>!?=)\s*)?(?P<regex>{STRING})\s*", arguments, re.DOTALL)
    if found is None:
        raise SearchInvalid('expected a quoted regular expression: regex field="^a"')
    wanted = pattern(found["regex"][1:-1].replace('\\"', '"'))
    field, keep = found["field"] or "_raw", found["sign"] != "!="

    def step(frame: pd.DataFrame) -> Result:
        kept = [
            any(wanted.search(text(each) or "") for each in values_of(row.get(field))) is keep for row in rows_of(frame)
        ]
        return Result(frame[pd.Series(kept, index=frame.index, dtype=bool)])

    return step


def replace(arguments: str, _: Context) -> Step:
    """Replace whole values, as in ``replace "a*" WITH "b*" IN host``."""
    words = options.split(arguments, {})[1]
    lower = [word.lower() for word in words]
    cut = lower.index("in") if "in" in lower else len(words)
    pairs = words[:cut]
    if not pairs or len(pairs) % 3 or any(word.lower() != "with" for word in pairs[1::3]):
        raise SearchInvalid("expected pairs: replace old WITH new IN field")
    fields = [unquote(word) for word in words[cut + 1 :]]
    if not fields:
        raise SearchInvalid("expected IN and names of fields; without them Splunk replaces in all fields")
    wanted = [(captured(unquote(old)), unquote(new)) for old, new in zip(pairs[::3], pairs[2::3], strict=True)]

    def step(frame: pd.DataFrame) -> Result:
        columns = matching(fields, frame)
        made = [row | {name: _replaced(wanted, row[name]) for name in columns} for row in rows_of(frame)]
        return Result(frame_of(made, frame.columns))

    return step


def _replaced(wanted: Sequence[tuple[re.Pattern[str], str]], value: Value) -> Value:
    for old, new in wanted:
        match = old.fullmatch(text(value) or "") if value is not None else None
        if match:
            pieces = new.split("*")
            parts = [*match.groups(), *[""] * len(pieces)]
            return "".join(
                piece + (parts[place] if place < len(pieces) - 1 else "") for place, piece in enumerate(pieces)
            )
    return value


def strcat(arguments: str, _: Context) -> Step:
    """Join fields and quoted texts into the field named last."""
    given, words = options.split(arguments, {"allrequired": flag})
    if len(words) < 3:
        raise SearchInvalid("expected two or more fields or quoted texts, and the name of the new field")
    *sources, made = words
    literal = [re.fullmatch(STRING, word, re.DOTALL) is not None for word in sources]
    names = [unquote(word) for word in sources]

    def join(row: Row) -> Value:
        parts = [name if quoted else text(row.get(name)) for name, quoted in zip(names, literal, strict=True)]
        if given.get("allrequired") and None in parts:
            return row.get(made)
        return "".join(part or "" for part in parts)

    return lambda frame: Result(frame_of([row | {made: join(row)} for row in rows_of(frame)], [*frame.columns, made]))
