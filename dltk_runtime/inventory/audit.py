"""Count the runs of saved searches and dashboards in the index ``_audit``.

None of us has seen this index. What is read of it is here and nowhere else: `SEARCH` and `Fields`, also for
the searches of `reports`.
A claim of ``dltk splunk acceptance`` tests the same names in a Splunk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from dltk_runtime.errors import DltkError
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.search import Search
from dltk_runtime.texts import is_number

INDEX = "_audit"
STARTED = "action=search info=granted"
NOTHING = "?"  # what stands for a field that an event lacks
DASHBOARD = "UI:Dashboard:"  # how `Fields.origin` begins for a search of a dashboard; its name follows
MAX_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Fields:
    """The names of the fields that are read."""

    saved: str = "savedsearch_name"
    app: str = "app"
    origin: str = "provenance"
    user: str = "user"
    text: str = "search"  # the whole search, in single quotes
    sid: str = "search_id"  # the search's id, in single quotes

    @property
    def all(self) -> str:
        """What the runs are counted by."""
        return f"{self.saved} {self.app} {self.origin}"


FIELDS = Fields()
SEARCH = (
    f'search index={INDEX} {STARTED} | fillnull value="{NOTHING}" {FIELDS.all} '
    f"| stats count AS runs max(_time) AS last BY {FIELDS.all}"
)


@dataclass(frozen=True, slots=True)
class Runs:
    """How often something ran, and when last (epoch seconds); None where that is unknown."""

    count: int | None = None
    last: float | None = None


UNKNOWN = Runs()


@dataclass(frozen=True)
class Audit:
    """The rows of `SEARCH`; `problem` says what is missing in them, or is empty."""

    rows: tuple[Mapping[str, str], ...] = ()
    problem: str = ""

    def of_search(self, name: str, app: str, *, alone: bool) -> Runs:
        """Return the runs of a saved search; `alone`: no other app has one of its name."""
        return self._runs(FIELDS.saved, name, app, alone=alone) if self.has(FIELDS.saved) else UNKNOWN

    def of_view(self, name: str, app: str, *, alone: bool) -> Runs:
        """Return the searches that a dashboard ran; `alone` as above."""
        return self._runs(FIELDS.origin, DASHBOARD + name, app, alone=alone) if self._names_dashboards else UNKNOWN

    def has(self, field: str) -> bool:
        """Return whether any event has a value of that field."""
        return field in self._present

    def _runs(self, field: str, value: str, app: str, *, alone: bool) -> Runs:
        if not (alone or self.has(FIELDS.app)):
            return UNKNOWN
        rows = self._by_value.get((field, value), [])
        return _total(each for each in rows if not self.has(FIELDS.app) or each[FIELDS.app] == app)

    @cached_property
    def _by_value(self) -> Mapping[tuple[str, str], list[Mapping[str, str]]]:
        found: dict[tuple[str, str], list[Mapping[str, str]]] = defaultdict(list)
        for row in self.rows:
            for field in (FIELDS.saved, FIELDS.origin):
                found[field, row[field]].append(row)
        return found

    @cached_property
    def _names_dashboards(self) -> bool:
        return any(row[FIELDS.origin].startswith(DASHBOARD) for row in self.rows)

    @cached_property
    def _present(self) -> frozenset[str]:
        return frozenset(name for row in self.rows for name, value in row.items() if value not in {"", NOTHING})


def read(connection: Connection, days: int) -> Audit:
    """Run `SEARCH` over the last `days`; a refusal is in the result."""
    try:
        found = list(Search(SEARCH, f"-{days}d", "now", connection, MAX_SECONDS).rows())
    except DltkError as failure:
        return Audit(problem=f"runs are unknown: {failure.sentence}")
    rows = tuple({key: _text(value) for key, value in row.items()} for row in found)
    if not rows:
        return Audit(problem=f"runs are unknown: the token's user finds no search in index={INDEX}")
    whole = tuple({**dict.fromkeys(FIELDS.all.split(), NOTHING), **row} for row in rows)
    missing = [name for name in FIELDS.all.split() if not Audit(whole).has(name)]
    told = f"no event of index={INDEX} has a value of {', '.join(missing)}: what follows from it is unknown"
    return Audit(whole, told if missing else "")


def _total(rows: Iterable[Mapping[str, str]]) -> Runs:
    found = list(rows)
    times = [float(each["last"]) for each in found if is_number(each.get("last", ""))]
    counts = [int(float(each["runs"])) for each in found if is_number(each.get("runs", ""))]
    return Runs(sum(counts), max(times, default=None))


def _text(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
