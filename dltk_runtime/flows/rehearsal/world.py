"""The Splunk of a rehearsal: what an app defines, over storage in memory, with sample data behind the base search."""

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
from dltk_runtime.emulator.standin import Event, Indexes, Storage, Window, epoch
from dltk_runtime.files import atomic
from dltk_runtime.flows.app import App, Search
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.spl import Stage, first_pipe, option, stages
from dltk_runtime.settings import ClientSettings

SAMPLE = "dltk_sample"
# Midnight of a Monday; days are counted from here.
BEGIN = 1_767_571_200.0
DAY = 86_400
# Seconds after which an event of the sample is in its index.
ARRIVAL = 90

# Seconds that an apply may take.
PATIENCE = 120

_POINTS = re.compile(r"\s*mstats\s.*\bWHERE\s+(?P<where>.+?)\s+BY\s+(?P<by>.+?)\s*", re.DOTALL)

# `sample` draws by the order of arrival: fine for a person who tries out, refused in flows.
FLOW_COMMANDS = {name: command for name, command in COMMANDS.items() if name != "sample"}


@dataclass(frozen=True, slots=True)
class Replaced:
    """A text that runs in Splunk only, and the one that runs here in its place."""

    text: str
    by: str


@dataclass(frozen=True, slots=True)
class World:
    """One app with its storage; `replaced` says what does not run, by the name of its macro or search."""

    app: App
    context: Context
    replaced: Mapping[str, Replaced]

    @property
    def storage(self) -> Storage:
        return self.context.storage

    def run(
        self, search: Search, now: float, window: Window | None = None, tokens: Mapping[str, str] | None = None
    ) -> Result:
        """Run the text of `search` as it would start at `now`, over its own window unless one is given."""
        text = _as_events(filled(search.text, tokens or {}))
        return run(text, self.at(now, window or window_of(search, now)), FLOW_COMMANDS)

    def ask(self, text: str, now: float, window: Window | None = None) -> pd.DataFrame:
        """The rows of a search that is not the app's."""
        return run(text, self.at(now, window or Window()), FLOW_COMMANDS).frame

    def check(self, search: Search, now: float) -> None:
        """Read the whole text and run nothing.

        Raises:
            SearchError: it cannot run here.
        """
        prepare(_as_events(search.text), self.at(now, Window()), FLOW_COMMANDS)

    def predictions(self) -> list[dict[str, str]]:
        """What scoring has written to the app's indexes; a second run has written it twice."""
        return [row for index in self.storage.indexes for row in index.rows() if row.get("kind") == "prediction"]

    def at(self, now: float, window: Window) -> Context:
        return replace(self.context, clock=lambda: now, window=window)

    def calling(self, client: ClientSettings) -> World:
        """The same world, with another container behind `fit` and `apply`."""
        return replace(self, context=replace(self.context, mltk=replace(self.context.mltk, client=client)))


def make_world(apps: Sequence[App], sample: Path, client: ClientSettings, folder: Path) -> World:
    """The world of the app that has searches among `apps`; `folder` takes stubs and lookup files.

    Raises:
        FlowInvalid: there is no app with searches, or the sample cannot be read.
    """
    app = apps[0]
    storage = Storage(indexes=Indexes(SAMPLE))
    for each in apps:
        for stanza in each.conf("indexes.conf"):
            storage.indexes.create(stanza.name, stanza.get("datatype", "event"))
    fill_sample(storage, sample)
    for stub in sorted((app.folder / "lookups").glob("*.mlmodel")):
        atomic.copy(stub, folder / stub.name)
    macros, replaced = _with_sample(app)
    context = Context(
        mltk=Mltk(client, Stubs(folder), apply_timeout=PATIENCE),
        lookups=LookupFolders(folder, (app.folder / "lookups",)),
        storage=storage,
        definitions=_definitions(app, storage),
        macros=macros,
    )
    return World(app, context, replaced)


def fill_sample(storage: Storage, sample: Path) -> None:
    """Events of the sample: `offset` is seconds after the first midnight, every other column is a field."""
    try:
        rows = list(csv.DictReader(sample.read_text(encoding="utf-8").splitlines()))
        index = storage.indexes[SAMPLE]
        for row in rows:
            time = BEGIN + float(row.pop("offset"))
            raw = ", ".join(f'{name}="{value}"' for name, value in row.items() if value)
            fields = {name: value for name, value in row.items() if value}
            index.add(Event(time, time + ARRIVAL, fields, raw, sourcetype="sample"))
    except (OSError, ValueError, KeyError) as error:
        raise FlowInvalid(
            f"the sample {sample} cannot be read ({type(error).__name__}: {error}). It is CSV with a column offset, in "
            "seconds, and the fields that the base search finds; 'dltk flow new' writes one"
        ) from error


def window_of(search: Search, now: float) -> Window:
    """The window of a saved search that starts at `now`."""
    given = search.stanza
    return Window(
        epoch(given.get("dispatch.earliest_time"), now),
        epoch(given.get("dispatch.latest_time") or "now", now),
        epoch(given.get("dispatch.index_earliest"), now),
        epoch(given.get("dispatch.index_latest") or "inf", now),
    )


def filled(text: str, tokens: Mapping[str, str]) -> str:
    """`text` with a dashboard's tokens put in, as ``$note|s$`` in quotes."""

    def put(match: re.Match[str]) -> str:
        value = tokens[match[1]]
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if match[2] else value

    return re.sub(r"\$([\w:]+)(\|s)?\$", put, text) if tokens else text


def _with_sample(app: App) -> tuple[dict[str, Macro], dict[str, Replaced]]:
    """The app's macros over sample data, with events in place of metrics; and what that replaced."""
    macros, replaced = dict(app.macros), {}
    for name, macro in app.macros.items():
        pipe = first_pipe(macro.definition)
        head, rest = macro.definition[:pipe], macro.definition[pipe:]
        if name.endswith("_base"):
            macros[name], replaced[name] = Macro((), by := _sample_for(head)), Replaced(macro.definition, by)
        elif points := _POINTS.fullmatch(head):
            by = _newest_events(points)
            macros[name], replaced[name] = Macro((), f"{by} {rest}"), Replaced(head.strip(), by)
    for search in app.searches:
        for stage in _metrics_written(search.text):
            replaced[search.name] = Replaced(f"{stage.name} {stage.arguments}", _collect(stage))
    return macros, replaced


def _sample_for(head: str) -> str:
    """The sample's events, their times binned where the base search bins them."""
    span = re.search(r"\bspan=\S+", head)
    return f"search index={SAMPLE}" + (f" | bin _time {span[0]}" if span else "")


def _newest_events(points: re.Match[str]) -> str:
    """For ``mstats latest(…) WHERE … BY entity span=5m``: the newest of each of the events that `_as_events` writes."""
    fields = " ".join(word for word in points["by"].split() if "=" not in word)
    return f"search {points['where']} | sort 0 - _indextime | dedup _time {fields}"


def _as_events(text: str) -> str:
    """Return the search with ``collect`` in place of ``mcollect``: metrics are kept as events here."""
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
