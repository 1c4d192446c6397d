"""Read and write the labels of a feedback flow over REST, with the user's own token.

A label is written by the app's own macro in a dispatched search, which asks for no confirmation,
so that the collection and the audit index both receive it. Export, import and removal use the
collection itself.
"""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltk_runtime.errors import shown
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.kvstore import Collection
from dltk_runtime.splunk.search import search
from dltk_runtime.units import DAY_SECONDS

# The first columns of a file; all other fields of the collection follow.
FIRST_COLUMNS = ("_key", "entity", "label", "status", "comment", "reviewer", "labelled_at")

FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n")  # with which a spreadsheet computes a cell
_SHIELD = "'"  # before a cell that a spreadsheet is to take for text
_WORD = re.compile(r"[A-Za-z0-9_.:-]+")


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of the feedback flow named `flow`."""

    connection: Connection
    flow: str

    @property
    def collection(self) -> Collection[dict[str, Any]]:
        return Collection(self.connection, f"dltk_flow_{self.flow}", f"dltk_{self.flow}_labels", dict)

    def queue(self) -> list[dict[str, Any]]:
        """Return the rows without a label, the most uncertain first."""
        name = f"dltk_{self.flow}_queue"
        rows: list[dict[str, Any]] = list(Collection(self.connection, f"dltk_flow_{self.flow}", name, dict).query())
        done = {label["_key"] for label in self.collection.query() if label.get("label")}
        waiting = [row for row in rows if row["_key"] not in done]
        return sorted(waiting, key=lambda row: -float(row.get("uncertainty") or 0))

    def write(self, key: str, verdict: str, note: str = "-") -> None:
        """Label one row of the queue.

        Raises:
            FlowInvalid: `key` or `verdict` has a character that no search may contain, or no row
                of the queue has that key.
            SplunkError: as `search`.
        """
        for word in (key, verdict):
            if not _WORD.fullmatch(word):
                raise FlowInvalid(f"invalid key or verdict {shown(word)}: use letters, digits and _ . : -")
        clean = note.replace("\\", "/").replace('"', "'").replace("$", "").replace("`", "'").replace(",", ";")
        text = f'| `dltk_{self.flow}_label("{key}","{verdict}","{clean}")`'
        if search(text, connection=self.connection, progress=False).empty:
            raise FlowInvalid(f"no row with the key {shown(key)} is in the queue of {self.flow}")

    def export(self, path: Path) -> int:
        """Write every label to a CSV file; return their number."""
        return _write(path, self.collection.query())

    def prune_queue(self, days: float, now: float | None = None) -> int:
        """Remove rows of the queue that were last seen more than `days` ago; return their number.

        Their predictions stay in the index, and so do their labels.
        """
        name = f"dltk_{self.flow}_queue"
        queue = Collection(self.connection, f"dltk_flow_{self.flow}", name, dict)
        query = {"predicted_at": {"$lt": (time.time() if now is None else now) - days * DAY_SECONDS}}
        if count := queue.count(query):
            queue.delete(query)
        return count

    def _numbers(self) -> set[str]:
        """Return the collection's fields of the type number, by its configuration in Splunk."""
        name = f"dltk_{self.flow}_labels"
        types = self.connection.call(name, lambda service: dict(service.kvstore[name].content))
        return {key.removeprefix("field.") for key, kind in types.items() if kind == "number"}

    def _snapshot(self, kind: str) -> str:
        """Return a search that writes every label to the audit index, as records of `kind`."""
        return (
            f'| inputlookup dltk_{self.flow}_labels | eval event_key=_key, kind="{kind}", flow="{self.flow}", '
            '_time=now(), comment=replace(comment,"\\"","\'") '
            "| fields _time kind flow event_key entity label status comment reviewer labelled_at model_version "
            f"| collect index=`dltk_{self.flow}_summary` addinfo=f | stats count AS written"
        )

    def load(self, path: Path) -> int:
        """Write the labels of an exported file to the collection, and all labels to the audit index.

        Returns:
            The number of labels in the file.

        Raises:
            FlowInvalid: a row has no ``_key``, or the file cannot be read.
        """
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError) as error:
            raise FlowInvalid(f"{path} cannot be read: {error}") from error
        if not all(row.get("_key") for row in rows):
            raise FlowInvalid(f"{path} has rows without _key; expected a file that 'dltk label export' wrote")
        numbers = self._numbers()
        written = len(self.collection.save([_typed(row, numbers) for row in rows]))
        search(self._snapshot("import"), connection=self.connection, progress=False)
        return written

    def prune(self, days: float, archive: Path, now: float | None = None) -> int:
        """Remove labels older than `days` after writing them to `archive`; return their number.

        Raises:
            FlowInvalid: `archive` exists already, or the labels changed while they were written.
        """
        if archive.exists():
            raise FlowInvalid(f"{archive} exists already: name a new file for the removed labels")
        query = {"labelled_at": {"$lt": (time.time() if now is None else now) - days * DAY_SECONDS}}
        kept = _write(archive, self.collection.query(query))
        if kept != (there := self.collection.count(query)):
            raise FlowInvalid(
                f"{archive} holds {kept} of {there} labels, because labels were written meanwhile. Try again"
            )
        if kept:
            self.collection.delete(query)
        return kept


def shielded(value: Any) -> Any:
    """Return a cell so that a spreadsheet takes it for text: whoever sends events writes parts of it."""
    text = value.lstrip(_SHIELD) if isinstance(value, str) else ""
    return _SHIELD + value if len(text) > 1 and text.startswith(FORMULA_BEGINNINGS) else value


def unshielded(cell: str) -> str:
    """Return the value of a cell that `shielded` made."""
    return cell[len(_SHIELD) :] if cell.startswith(_SHIELD) and shielded(cell) != cell else cell


def _write(path: Path, records: Iterator[dict[str, Any]]) -> int:
    rows = list(records)
    others = {name for row in rows for name in row} - {*FIRST_COLUMNS, "_user"}  # `_user` is Splunk's own
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(
            file,
            (*FIRST_COLUMNS, *sorted(others)),
            restval="",
            extrasaction="ignore",
            lineterminator="\n",
            quoting=csv.QUOTE_NONNUMERIC,  # the minimum leaves out a carriage return
        )
        writer.writeheader()
        writer.writerows({name: shielded(value) for name, value in row.items()} for row in rows)
    return len(rows)


def _typed(row: dict[str, str], numbers: AbstractSet[str]) -> dict[str, Any]:
    """Return the row without empty values, and with numbers where the collection has them."""
    values = {name: unshielded(value) for name, value in row.items() if value}
    return {name: float(value) if name in numbers else value for name, value in values.items()}
