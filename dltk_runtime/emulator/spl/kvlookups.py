"""``inputlookup``, ``outputlookup`` and ``lookup`` on CSV files and collections of the KV store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from dltk_runtime.emulator.arguments import Option, parse_arguments, parse_flag, split_options
from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.lexer import Kind, lex
from dltk_runtime.emulator.mltk.results import Result, failed
from dltk_runtime.emulator.spl import files, options
from dltk_runtime.emulator.spl.context import Context, Definition, Step
from dltk_runtime.emulator.spl.filters import parse_filter
from dltk_runtime.emulator.spl.options import Reader, flag, whole
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.values import Value, multi, number, text
from dltk_runtime.emulator.standin import KvCollection, KvRefused
from dltk_runtime.emulator.standin.kvstore import MAX_BATCH_DOCUMENTS
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

MAX_LOOKUP_ROWS = 1_000_000_000  # inputlookup in the Search Reference
MAX_MATCHES = 1_000  # max_matches in transforms.conf

_READ: Mapping[str, Reader] = {"append": flag, "max": whole, "start": whole, "strict": flag}
_WRITE: Mapping[str, Reader] = {
    "append": flag,
    "create_empty": flag,
    "createinapp": flag,
    "key_field": str,
    "override_if_empty": flag,
}


def inputlookup(arguments: str, context: Context) -> Step:
    """Read the rows of a CSV file or collection; with ``append=t``, append them."""
    head, conditions = _cut(arguments)
    given, names = options.split(head, _READ)
    if len(names) != 1:
        raise SearchInvalid(f"the name of one CSV file is wanted, got {shown(head)}")
    if conditions == "":
        raise SearchInvalid("conditions are wanted after where")
    keeps = parse_filter(conditions, fold=False).keeps if conditions is not None else None
    read = _reader(unquote(names[0]), context)
    start, most = given.get("start", 0), given.get("max", MAX_LOOKUP_ROWS)

    def step(frame: pd.DataFrame) -> Result:
        found = read()
        if keeps is not None:
            found = frame_of([row for row in rows_of(found) if keeps(row)], found.columns)
        found = found.iloc[start : start + most]
        if given.get("append") and not frame.columns.empty:
            found = frame_of(rows_of(frame) + rows_of(found), frame.columns)
        return Result(found)

    return step


def appends(arguments: str) -> bool:
    """Return whether an inputlookup may follow other commands; `inputlookup` itself refuses a wrong form."""
    try:
        given, _ = options.split(_cut(arguments)[0], _READ)
    except SearchInvalid:
        return True
    return bool(given.get("append"))


def _cut(arguments: str) -> tuple[str, str | None]:
    """Return what is before the word ``where``, and the conditions behind it."""
    for token in lex(arguments):
        if token.kind is Kind.WORD and token.text.lower() == "where":
            return arguments[: token.start], arguments[token.start + len(token.text) :].strip()
    return arguments, None


def outputlookup(arguments: str, context: Context) -> Step:
    """Replace or extend a CSV file, or records of a collection with ``append=t key_field=_key``."""
    given, names = options.split(arguments, _WRITE)
    if len(names) != 1:
        raise SearchInvalid(f"the name of one CSV file is wanted, got {shown(arguments)}")
    name, append = unquote(names[0]), given.get("append", False)
    if name not in context.definitions and "key_field" not in given:
        path = context.lookups.target(name)
        keep = not (given.get("override_if_empty", True) and given.get("create_empty", True))
        return lambda frame: _extended(path, frame) if append else _written(path, frame, keep=keep)
    if given.get("key_field") != "_key" or not append:
        raise SearchInvalid("a collection is written with append=t key_field=_key; without these it would be replaced")
    return partial(_upsert, context, _definition(name, context))


def lookup(arguments: str, context: Context) -> Step:
    """Add fields of the records that match, as in ``lookup NAME key AS field OUTPUT a AS b``.

    Without such a record the fields of OUTPUT become null, also if the row had values before;
    OUTPUTNEW keeps a field that is there. Several records make several values.
    """
    given, rest = split_options(arguments, ("local", "update"))
    for value in given.values():
        parse_flag(value)
    names = list(_names(rest))
    keywords = [name.upper() for name in names]
    cut = next((place for place, name in enumerate(keywords) if name in {"OUTPUT", "OUTPUTNEW"}), len(names))
    keys, outputs = list(_renamed(names[1:cut])), list(_renamed(names[cut + 1 :]))
    if not keys or (cut < len(names) and not outputs):
        raise SearchInvalid("a key is wanted, and names of fields after OUTPUT: lookup prices.csv sku OUTPUT price")
    read, new = _reader(names[0], context), "OUTPUTNEW" in keywords
    if names[0] in context.definitions and not parse_flag(given.get("local", "f")):
        raise SearchInvalid("local=true is wanted: a collection is on the search head, not on the indexers")

    def step(frame: pd.DataFrame) -> Result:
        table = read()
        records = _by([name for name, _ in keys], rows_of(table), {name for name, _ in keys} - set(table.columns))
        wanted = outputs or [(name, name) for name in table.columns if name not in dict(keys)]
        rows = rows_of(frame)
        for row in rows:
            found = records.get(tuple(text(row.get(field_)) for _, field_ in keys), [])
            row |= {
                name: multi(record.get(source) for record in found)
                for source, name in wanted
                if not (new and row.get(name) is not None)
            }
        return Result(frame_of(rows, [*frame.columns, *(name for _, name in wanted)]))

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
    """Yield every document, with one query per `MAX_ROWS`."""
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
    """Build the whole record; fields that the row lacks are removed from it."""
    given = {name: row.get(name) for name in definition.fields if row.get(name) is not None}
    return {name: _typed(value, "string" if name == "_key" else types.get(name)) for name, value in given.items()}


def _typed(value: Value, wanted: str | None) -> Value:
    if wanted == "number":
        amount = number(value)
        return value if amount is None else amount
    return text(value) if wanted == "string" else value


def _by(keys: Sequence[str], records: Iterable[Row], missing: set[str]) -> dict[tuple[str | None, ...], list[Row]]:
    """Group records by the values of `keys`; those with a null among them match no row."""
    if missing:
        raise SearchError(f"the lookup table has no field {', '.join(sorted(missing))}.")
    found: dict[tuple[str | None, ...], list[Row]] = {}
    for record in records:
        key = tuple(text(record.get(name)) for name in keys)
        if None not in key and len(found.setdefault(key, [])) < MAX_MATCHES:
            found[key].append(record)
    return found


def _renamed(names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield ``a AS b c`` as pairs of old and new name."""
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


def _written(path: Path, frame: pd.DataFrame, *, keep: bool) -> Result:
    """Replace the file; with `keep` not by nothing."""
    if not (keep and frame.empty):
        files.write(path, frame)
    return Result(frame)


def _extended(path: Path, frame: pd.DataFrame) -> Result:
    """Append the rows to the file, which must have all their fields."""
    if not path.exists():
        return _written(path, frame, keep=False)
    there = files.read(path)
    if extra := [name for name in frame.columns if name not in there.columns]:
        raise SearchError(
            f"outputlookup append=t: {path.name} has no field {extra[0]}, and which fields Splunk keeps then is not "
            "documented. Choose fields with table first."
        )
    files.write(path, frame_of(rows_of(there) + rows_of(frame), there.columns))
    return Result(frame)
