"""CSV lookups: tables of text, by file name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from dltk_runtime.errors import DltkError, nearest


class LookupMissing(DltkError):
    """A lookup that does not exist."""

    http_status = 404

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"The lookup table {name!r} does not exist.{nearest(name, known)}")


class Lookups:
    """The CSV lookups of one app; every value is text, and empty text is null, as in Splunk."""

    def __init__(self) -> None:
        self._tables: dict[str, list[dict[str, str]]] = {}

    def read(self, name: str) -> list[dict[str, str]]:
        """Return copies of the rows of `name`.

        Raises:
            LookupMissing: it does not exist.
        """
        try:
            return [dict(row) for row in self._tables[name]]
        except KeyError:
            raise LookupMissing(name, self._tables) from None

    def replace(self, name: str, rows: Iterable[Mapping[str, str]]) -> None:
        """Replace the rows of a lookup, or create it."""
        self._tables[name] = [dict(row) for row in rows]

    def append(self, name: str, rows: Iterable[Mapping[str, str]]) -> None:
        """Append rows to a lookup, or create it."""
        self._tables.setdefault(name, []).extend(dict(row) for row in rows)

    def load(self, name: str, text: str) -> None:
        """Replace a lookup with CSV text that has a header."""
        self.replace(name, csv.DictReader(io.StringIO(text)))

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def names(self) -> list[str]:
        """List the lookups, sorted."""
        return sorted(self._tables)
