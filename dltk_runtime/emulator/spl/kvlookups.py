"""``inputlookup``, ``outputlookup`` and ``lookup``: CSV files, and collections of the KV store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd

from dltk_runtime.emulator.arguments import Option, parse_arguments, parse_flag, split_options
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import Kind, runs
from dltk_runtime.emulator.mltk.results import Result, failed
from dltk_runtime.emulator.spl import files
from dltk_runtime.emulator.spl.context import Context, Definition, Step
from dltk_runtime.emulator.spl.filters import parse_filter
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.values import Value, number, text
from dltk_runtime.emulator.standin import KvCollection, KvRefused
from dltk_runtime.emulator.standin.kvstore import MAX_BATCH_DOCUMENTS
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

_WHERE = re.compile(r"(?:\s+where\s+(?P<filter>.*))?", re.IGNORECASE | re.DOTALL)


def inputlookup(arguments: str, context: Context) -> Step:
    """The rows of a CSV file or a collection, or with ``append=t`` these behind the rows that are there."""
    given, rest = split_options(arguments, ("append",))
    name = next(runs(rest, {Kind.SPACE}), "")
    match = _WHERE.fullmatch(rest, len(name))
    if match is None or not name:
        raise SearchInvalid(
            f"the name of a CSV file is wanted, got {shown(rest)}. Options but append= run in Splunk only"
        )
    keeps = parse_filter(match["filter"], fold=False).keeps if match["filter"] else None
    read = _reader(unquote(name), context)
    append = parse_flag(given.get("append", "f"))

    def step(frame: pd.DataFrame) -> Result:
        found = read()
        if keeps is not None:
            found = frame_of([row for row in rows_of(found) if keeps(row)], found.columns)
        if append and not frame.columns.empty:
            found = frame_of(rows_of(frame) + rows_of(found), frame.columns)
        return Result(found)

    return step


def appends(arguments: str) -> bool:
    """Whether an inputlookup may stand behind other commands."""
    return re.match(r"\s*append\s*=\s*(t|true|1)\b", arguments, re.IGNORECASE) is not None


def outputlookup(arguments: str, context: Context) -> Step:
    """Replace a CSV file by the rows, or with ``append=t key_field=_key`` put each into a collection, whole."""
    given, rest = split_options(arguments, ("append", "key_field"))
    name = unquote(rest.strip())
    if not given and name not in context.definitions:
        path = context.lookups.target(name)
        return lambda frame: _written(path, frame)
    if given.get("key_field") != "_key" or not parse_flag(given.get("append", "f")):
        raise SearchInvalid("a collection is written with append=t key_field=_key; without these it would be replaced")
    return partial(_upsert, context, _definition(name, context))


def lookup(arguments: str, context: Context) -> Step:
    """``lookup local=true NAME key AS field OUTPUT a AS b``: fields of the record that a row's key names.

    What there is no record for becomes null, also where the row had a value before.
    """
    given, rest = split_options(arguments, ("local",))
    if not parse_flag(given.get("local", "f")):
        raise SearchInvalid("local=true is wanted: a collection is on the search head, not on the indexers")
    names = list(_names(rest))
    keywords = [name.upper() for name in names]
    cut = keywords.index("OUTPUT") if "OUTPUT" in keywords else len(names)
    pairs, outputs = list(_renamed(names[1:cut])), list(_renamed(names[cut + 1 :]))
    if len(pairs) != 1 or not outputs:
        raise SearchInvalid(
            "one key and OUTPUT with names of fields are wanted: lookup local=true NAME _key OUTPUT label"
        )
    (key, field_), read = pairs[0], _reader(names[0], context)

    def step(frame: pd.DataFrame) -> Result:
        records = _by(key, rows_of(read()))
        rows = rows_of(frame)
        for row in rows:
            record = records.get(text(row.get(field_)) or "", {})
            row.update({name: record.get(source) for source, name in outputs})
        return Result(frame_of(rows, [*frame.columns, *(name for _, name in outputs)]))

    return step


def _reader(name: str, context: Context) -> Any:
    if name in context.definitions:
        return partial(_records, context, context.definitions[name])
    path = context.lookups.find(name)
    return partial(files.read, path)


def _definition(name: str, context: Context) -> Definition:
    if name not in context.definitions:
        known = ", ".join(sorted(context.definitions)) or "none"
        raise SearchInvalid(f"{shown(name)} is no KV store lookup that is known here ({known}); Splunk only has others")
    return context.definitions[name]


def _records(context: Context, definition: Definition) -> pd.DataFrame:
    documents = _all(context.storage.kvstore[definition.collection])
    return frame_of(
        [{name: document.get(name) for name in definition.fields} for document in documents], definition.fields
    )


def _all(collection: KvCollection) -> Iterator[dict[str, Any]]:
    """Every document; one query gives no more than Splunk's limit."""
    seen = 0
    while page := collection.query(skip=seen):
        yield from page
        seen += len(page)


def _upsert(context: Context, definition: Definition, frame: pd.DataFrame) -> Result:
    collection = context.storage.kvstore[definition.collection]
    documents = [_document(row, definition, collection.types) for row in rows_of(frame)]
    try:
        for begin in range(0, len(documents), MAX_BATCH_DOCUMENTS):
            collection.batch_save(documents[begin : begin + MAX_BATCH_DOCUMENTS])
    except KvRefused as error:
        return Result(frame, (failed(error),))
    return Result(frame)


def _document(row: Row, definition: Definition, types: Mapping[str, str]) -> dict[str, Value]:
    """The whole record: what the row does not have, the record has not any more either."""
    given = {name: row.get(name) for name in definition.fields if row.get(name) is not None}
    return {name: _typed(value, "string" if name == "_key" else types.get(name)) for name, value in given.items()}


def _typed(value: Value, wanted: str | None) -> Value:
    if wanted == "number":
        amount = number(value)
        return value if amount is None else amount
    return text(value) if wanted == "string" else value


def _by(key: str, records: Iterable[Row]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for record in records:
        value = text(record.get(key)) or ""
        if value in found:
            raise SearchInvalid(
                f"several records have {key}={value!r}: the multivalue fields they make run in Splunk only"
            )
        found[value] = record
    return found


def _renamed(names: list[str]) -> Iterator[tuple[str, str]]:
    """``a AS b c`` as pairs of what is there and what it is called."""
    number_ = 0
    while number_ < len(names):
        renamed = number_ + 2 < len(names) and names[number_ + 1].upper() == "AS"
        yield names[number_], names[number_ + 2] if renamed else names[number_]
        number_ += 3 if renamed else 1


def _names(arguments: str) -> Iterator[str]:
    for argument in parse_arguments(arguments):
        if isinstance(argument, Option):
            raise SearchInvalid(f"the option {argument.key}= runs in Splunk only")
        yield argument.name


def _written(path: Any, frame: pd.DataFrame) -> Result:
    files.write(path, frame)
    return Result(frame)
