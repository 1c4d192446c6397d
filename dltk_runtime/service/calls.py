"""The calls that this server answered last, in memory.

One entry is made after an answer is on its way. It writes nothing, looks at no more than
`MAX_NAMED` field names and costs some microseconds; `MAX_CALLS` entries take about a megabyte.
Every few seconds the service takes what is new to the volume (`call_files`), and a start recalls
what all replicas had written. The log, events and `/metrics` are for more.
"""

from __future__ import annotations

import math
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from dltk_runtime.call import Call, sid_of
from dltk_runtime.files.records import Count, Moment
from dltk_runtime.names import ModelName

MAX_CALLS = 1000
MAX_NAMED = 8  # fields of a call
MAX_NAME_CHARACTERS = 40
MAX_OUTCOME_CHARACTERS = 500
NOW = timedelta(minutes=5)  # that figures of this moment look back
SUCCESS = "success"
GONE = "the client hung up"  # before its answer: no failure of a model
FRACTION = 0.99


class RecentCall(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One answered call; `time` is that of its end, UTC; `outcome` is success, or why it failed.

    `fields` names those that the search asked for, the first `MAX_NAMED`.
    """

    time: Moment
    id: str
    route: str
    outcome: str
    seconds: float
    algorithm: str = ""
    model: str = ""
    version: Count | None = None
    rows: Count | None = None
    fields: str = ""
    owner: str = ""  # name of the token
    person: str = ""
    sid: str = ""
    replica: str = ""

    @property
    def failed(self) -> bool:
        """Whether it is a failure of the model, or of the request."""
        return self.outcome not in (SUCCESS, GONE)


class CallList(msgspec.Struct, frozen=True):
    """Calls that one replica answered since `since`, the newest first; older ones are of any replica."""

    replica: str
    since: datetime
    calls: list[RecentCall]


class Traffic(msgspec.Struct, frozen=True):
    """Calls of the last `seconds` on one replica: `p99` are seconds, null without a call."""

    replica: str
    seconds: float
    requests: int
    failures: int
    rows: int
    p99: float | None


class RecentCalls:
    """The calls of one server. Add from its loop; any thread may look."""

    def __init__(self) -> None:
        self._begun = datetime.now(UTC)
        self._replica = socket.gethostname()
        self._calls: deque[RecentCall] = deque(maxlen=MAX_CALLS)
        self._unwritten: deque[RecentCall] = deque(maxlen=MAX_CALLS)

    def recall(self, calls: Iterable[RecentCall]) -> None:
        """Put calls from before, oldest first, in front of those that were answered since."""
        self._calls = deque([*calls, *self._calls], MAX_CALLS)

    def unwritten(self) -> list[RecentCall]:
        """Return the calls since the last time, `MAX_CALLS` at most."""
        found = [*self._unwritten]
        self._unwritten.clear()
        return found

    def add(self, call: Call, outcome: str, seconds: float) -> None:
        """Note a call that was answered."""
        facts, actor = call.facts, call.actor
        made = RecentCall(
            time=datetime.now(UTC),
            id=call.id,
            route=call.route,
            outcome=outcome[:MAX_OUTCOME_CHARACTERS],
            seconds=round(seconds, 6),
            algorithm=facts.algorithm or "",
            model=facts.model or "",
            version=facts.version,
            rows=facts.rows,
            fields=_fields(call.meta.get("feature_variables")),
            owner=call.holder.name,
            person=actor.person,
            sid=actor.sid or sid_of(call.meta),
            replica=self._replica,
        )
        self._calls.append(made)
        self._unwritten.append(made)

    def listed(self, shown: Callable[[str, str], bool], limit: int = MAX_CALLS) -> CallList:
        """Return the newest calls of models that may be `shown`, by algorithm and name."""
        found = [each for each in self._newest() if shown(each.algorithm, each.model)]
        return CallList(self._replica, self._begun, found[:limit])

    def traffic(self, shown: Callable[[str, str], bool], now: datetime | None = None) -> Traffic:
        """Return the figures of this moment, of models that may be `shown`."""
        moment = now or datetime.now(UTC)
        newest = self._newest()
        begun = max(moment - NOW, self._begun, newest[-1].time if len(newest) == MAX_CALLS else self._begun)
        found = [each for each in newest if each.time >= begun and shown(each.algorithm, each.model)]
        return Traffic(
            replica=self._replica,
            seconds=(moment - begun).total_seconds(),
            requests=len(found),
            failures=sum(each.failed for each in found),
            rows=sum(each.rows or 0 for each in found),
            p99=_percentile([each.seconds for each in found]),
        )

    def by_model(self, most: int) -> dict[ModelName, list[RecentCall]]:
        """Return the newest calls of each model, at most `most`, without those whose client hung up."""
        found: dict[ModelName, list[RecentCall]] = {}
        names: dict[tuple[str, str], ModelName] = {}
        for each in self._newest():
            if each.version is None or each.outcome == GONE:
                continue  # no model was found, so it is none of its failures
            key = each.algorithm, each.model
            name = names[key] if key in names else names.setdefault(key, ModelName(*key))
            if len(known := found.setdefault(name, [])) < most:
                known.append(each)
        return found

    def _newest(self) -> list[RecentCall]:
        return list(self._calls.copy())[::-1]  # a copy in one step: the loop may add


def _fields(names: object) -> str:
    """Return the first names of a list as text; the number of the others."""
    if not isinstance(names, list):
        return ""
    shown = ", ".join(_names(names))
    return f"{shown} and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else shown


def _names(names: list[object]) -> Iterator[str]:
    return (each[:MAX_NAME_CHARACTERS] if isinstance(each, str) else "?" for each in names[:MAX_NAMED])


def _percentile(values: list[float]) -> float | None:
    if not values:
        return None
    return sorted(values)[min(math.ceil(len(values) * FRACTION), len(values)) - 1]
