"""The simulated Splunk of a rehearsal: the app's objects, storage in memory, sample events."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from dltk_runtime.emulator.mltk.commands import Mltk
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.emulator.spl.commands import COMMANDS
from dltk_runtime.emulator.spl.context import Context, Definition
from dltk_runtime.emulator.spl.files import LookupFolders
from dltk_runtime.emulator.spl.macros import Macro
from dltk_runtime.emulator.spl.pipeline import prepare, run
from dltk_runtime.emulator.standin import IndexedEvent, Indexes, Storage, Window, epoch
from dltk_runtime.files import atomic
from dltk_runtime.flows.app import App, AppSearch
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.spl import Stage, first_pipe, option, stages
from dltk_runtime.settings import ClientSettings

SAMPLE_INDEX = "dltk_sample"
# Epoch seconds of the first midnight, a Monday.
BEGIN = 1_767_571_200.0

# From an event of the sample to its arrival in the index.
ARRIVAL_SECONDS = 90

APPLY_TIMEOUT_SECONDS = 120
_ARRIVED = "tonumber(_indextime)<=now()"  # of events of the sample, whatever the range of a search

# What ``tstats`` returns: aggregates, and the fields that it groups by.
_GROUPS = re.compile(
    r"\btstats\s+(?P<aggregates>.+?)\s+FROM\s+datamodel\s*=.*?\bBY\s+(?P<by>.+?)\s*$", re.DOTALL | re.IGNORECASE
)
# The subsearch by which a macro asks Splunk who is searching, and the answer here.
_WHO = (
    "[| rest splunk_server=local /services/authentication/current-context "
    '| eval username="\\"".username."\\"" | return $username]'
)
_PERSON = '"search bar"'
_POINTS = re.compile(r"\s*mstats\s.*\bWHERE\s+(?P<where>.+?)\s+BY\s+(?P<by>.+?)\s*", re.DOTALL)

# `sample` depends on the order of arrival: it is useful in ad-hoc searches, but refused in flows.
FLOW_COMMANDS = {name: command for name, command in COMMANDS.items() if name != "sample"}


@dataclass(frozen=True, slots=True)
class Replaced:
    """SPL that only Splunk runs, and its replacement here."""

    text: str
    by: str


@dataclass(frozen=True, slots=True)
class World:
    """One app with its storage; `replaced` holds replaced SPL by macro or search."""

    app: App
    context: Context
    replaced: Mapping[str, Replaced]

    @property
    def storage(self) -> Storage:
        return self.context.storage

    def run(
        self, search: AppSearch, now: float, window: Window | None = None, tokens: Mapping[str, str] | None = None
    ) -> Result:
        """Run `search` as if started at `now` (epoch seconds); `window` overrides its own."""
        text = _as_events(filled(search.text, tokens or {}))
        context = self.at(now, window or window_of(search, now))
        # What people look at may depend on the order of rows; what a schedule writes may not.
        return run(text, replace(context, repeatable=search.scheduled), FLOW_COMMANDS)

    def ask(self, text: str, now: float, window: Window | None = None) -> pd.DataFrame:
        """Return the rows of any other search."""
        return run(text, self.at(now, window or Window()), FLOW_COMMANDS).frame

    def check(self, search: AppSearch, now: float) -> None:
        """Parse the search without running it.

        Raises:
            SearchError: the search cannot run here.
        """
        context = replace(self.at(now, Window()), repeatable=search.scheduled)
        prepare(_as_events(search.text), context, FLOW_COMMANDS)

    def predictions(self) -> list[dict[str, str]]:
        """Return the predictions in the app's indexes, twice if a window was scored twice."""
        return [row for index in self.storage.indexes for row in index.rows() if row.get("kind") == "prediction"]

    def at(self, now: float, window: Window) -> Context:
        return replace(self.context, clock=lambda: now, window=window)

    def calling(self, client: ClientSettings) -> World:
        """Return the same world with another container for `fit` and `apply`."""
        return replace(self, context=replace(self.context, mltk=replace(self.context.mltk, client=client)))


def make_world(apps: Sequence[App], sample: Path, client: ClientSettings, folder: Path) -> World:
    """Return the world of the first of `apps`; `folder` receives stubs and lookup files.

    Raises:
        FlowInvalid: the sample cannot be read.
    """
    app = apps[0]
    storage = Storage(indexes=Indexes(SAMPLE_INDEX))
    for each in apps:
        for stanza in each.conf("indexes.conf"):
            storage.indexes.create(stanza.name, stanza.get("datatype", "event"))
    fill_sample(storage, sample)
    for stub in sorted((app.folder / "lookups").glob("*.mlmodel")):
        atomic.copy(stub, folder / stub.name)
    macros, replaced = _with_sample(app)
    context = Context(
        mltk=Mltk(client, Stubs(folder), apply_timeout=APPLY_TIMEOUT_SECONDS),
        lookups=LookupFolders(folder, (app.folder / "lookups",)),
        storage=storage,
        definitions=_definitions(app, storage),
        macros=macros,
        repeatable=True,
    )
    return World(app, context, replaced)


def fill_sample(storage: Storage, sample: Path) -> None:
    """Add the sample's events; `offset` is in seconds from `BEGIN`, other columns are fields."""
    try:
        rows = list(csv.DictReader(sample.read_text(encoding="utf-8").splitlines()))
        index = storage.indexes[SAMPLE_INDEX]
        for row in rows:
            time = BEGIN + float(row.pop("offset"))
            raw = ", ".join(f'{name}="{value}"' for name, value in row.items() if value)
            fields = {name: value for name, value in row.items() if value}
            index.add(IndexedEvent(time, time + ARRIVAL_SECONDS, fields, raw, sourcetype="sample"))
    except (OSError, ValueError, KeyError) as error:
        raise FlowInvalid(
            f"cannot read the sample {sample} ({type(error).__name__}: {error}). Expected CSV with a column offset, in "
            "seconds, and the fields that the base search returns, as 'dltk flow new' writes it"
        ) from error


def window_of(search: AppSearch, now: float) -> Window:
    """Return the window of a search that starts at `now`."""
    given = search.stanza
    return Window(
        epoch(given.get("dispatch.earliest_time"), now),
        epoch(given.get("dispatch.latest_time") or "now", now),
        epoch(given.get("dispatch.index_earliest"), now),
        epoch(given.get("dispatch.index_latest") or "inf", now),
    )


def filled(text: str, tokens: Mapping[str, str]) -> str:
    """Replace a dashboard's tokens in `text`: ``$note$`` as is, ``$note|s$`` in quotes."""

    def put(match: re.Match[str]) -> str:
        value = tokens[match[1]]
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if match[2] else value

    return re.sub(r"\$([\w:]+)(\|s)?\$", put, text) if tokens else text


def _with_sample(app: App) -> tuple[dict[str, Macro], dict[str, Replaced]]:
    """Return the app's macros over the sample, and what they replace."""
    macros, replaced = dict(app.macros), {}
    for name, macro in app.macros.items():
        pipe = first_pipe(macro.definition)
        head, rest = macro.definition[:pipe], macro.definition[pipe:]
        if name.endswith("_base"):
            by = _sample_for(head)
            macros[name], replaced[name] = (
                Macro((), by + (f" {rest}" if _GROUPS.search(head) else "")),
                Replaced(head, by),
            )
        elif _WHO in macro.definition:
            macros[name] = replace(macro, definition=macro.definition.replace(_WHO, _PERSON))
            replaced[name] = Replaced(_WHO, _PERSON)
        elif points := _POINTS.fullmatch(head):
            by = _newest_events(points)
            macros[name], replaced[name] = Macro((), f"{by} {rest}"), Replaced(head.strip(), by)
    for search in app.searches:
        for stage in _metrics_written(search.text):
            replaced[search.name] = Replaced(f"{stage.name} {stage.arguments}", _collect(stage))
    return macros, replaced


def _sample_for(head: str) -> str:
    """Return a search for the events of the sample that have arrived; for ``tstats``, with what it would return."""
    events, groups = f"search index={SAMPLE_INDEX} | where {_ARRIVED}", _GROUPS.search(head)
    if groups is None:
        return events
    span = re.search(r"\bspan=\S+", groups["by"])
    aggregates = " ".join(word for word in groups["aggregates"].split() if "=" not in word)
    fields = [word.strip('"') for word in groups["by"].replace(",", " ").split() if "=" not in word]
    grouped = " ".join(_without_prefix(name) for name in fields)
    names = "".join(f' | rename {_without_prefix(name)} AS "{name}"' for name in fields if "." in name)
    binned = f" | bin _time {span[0]}" if span else ""
    return f"{events}{binned} | stats {_without_prefix(aggregates)} BY {grouped}{names}"


def _without_prefix(text: str) -> str:
    """Remove the names of data sets, as in ``DNS.query``."""
    return re.sub(r"\b[A-Za-z_]\w*\.(?=\w)", "", text)


def _newest_events(points: re.Match[str]) -> str:
    """Return a search over events in place of ``mstats latest(…) WHERE … BY entity span=5m``."""
    fields = " ".join(word for word in points["by"].split() if "=" not in word)
    return f"search {points['where']} | sort 0 - _indextime | dedup _time {fields}"


def _as_events(text: str) -> str:
    """Replace ``mcollect`` by ``collect``: here, metrics are stored as events."""
    for stage in reversed(_metrics_written(text)):
        text = f"{text[: stage.begin]}{stage.separator} {_collect(stage)} {text[stage.end :]}"
    return text


def _metrics_written(text: str) -> list[Stage]:
    return [stage for stage in stages(text) if stage.name == "mcollect" and option(stage.arguments, "index")]


def _collect(mcollect: Stage) -> str:
    return f"collect index={option(mcollect.arguments, 'index')} addinfo=f"


def _definitions(app: App, storage: Storage) -> dict[str, Definition]:
    for stanza in app.conf("collections.conf"):
        types = {
            key.removeprefix("field."): value for key, value in stanza.settings.items() if key.startswith("field.")
        }
        storage.kvstore.create(stanza.name, types, enforce=stanza.flag("enforceTypes"))
    return {
        stanza.name: Definition(stanza.get("collection"), tuple(re.findall(r"\w+", stanza.get("fields_list"))))
        for stanza in app.conf("transforms.conf")
        if stanza.get("external_type") == "kvstore"
    }
