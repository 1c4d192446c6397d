"""All searches of an app as one data flow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dltk_runtime.flows.app import App, AppSearch
from dltk_runtime.flows.dataflow.computing import ACTIONS, VERSION
from dltk_runtime.flows.dataflow.notes import Apply, Fit, Notes, Read, Write
from dltk_runtime.flows.dataflow.pipe import Command, commands, everything_in
from dltk_runtime.flows.dataflow.shapes import Shape
from dltk_runtime.flows.dataflow.stores import Stores, matches, stores_of
from dltk_runtime.flows.dataflow.walk import Walk, register
from dltk_runtime.names import STATUS

# What is written decides what is read, and that what is written: through a summary, a queue, labels.
_ROUNDS = 4
_MACROS = "default/macros.conf"
_WRITES = re.compile(r"\|\s*(?:collect|mcollect|outputlookup)\b")
_GENERATES = re.compile(r"\s*\|?\s*(?:inputlookup|makeresults|tstats|mstats|rest)\b")

register(ACTIONS)


@dataclass(frozen=True, slots=True)
class SearchFlow:
    """One search with its commands, and what a walk through it noted."""

    search: AppSearch
    commands: tuple[Command, ...]
    notes: Notes

    @property
    def where(self) -> str:
        """File, line and name, as rules say it."""
        return f"{self.search.file}:{self.search.line} {self.search.name}"

    def has(self, *names: str) -> bool:
        """Return whether one of the commands is among those of the search."""
        return any(command.name in names for command in everything_in(self.commands))


@dataclass(frozen=True, slots=True)
class Dataflow:
    """An app: its searches and macros without a caller, and what its indexes and lookups hold."""

    app: App
    searches: tuple[SearchFlow, ...]
    stores: Stores
    own: frozenset[str]

    def writes(self) -> Iterator[tuple[SearchFlow, Write]]:
        """Yield every write."""
        return ((flow, write) for flow in self.searches for write in flow.notes.writes)

    def fits(self) -> Iterator[tuple[SearchFlow, Fit]]:
        """Yield every fit."""
        return ((flow, fit) for flow in self.searches for fit in flow.notes.fits)

    def found_by(self, read: Read) -> Iterator[tuple[SearchFlow, Write, Shape]]:
        """Yield the writes to an index whose records a read finds, with the form of these records."""
        for search, write in self.writes():
            for shape in write.shapes if write.command != "outputlookup" and write.target == read.target else ():
                if any(matches(shape, asked) for asked in read.alternatives):
                    yield search, write, shape

    def learned(self, search: SearchFlow) -> Iterator[tuple[Shape, frozenset[str]]]:
        """Yield the rows that a search learns from or scores, with the names of the features."""
        for fit in search.notes.fits:
            if fit.model != STATUS:
                yield fit.shape, frozenset(fit.features)
        for apply in search.notes.applies:
            fits = (fit for _, fit in self.fits() if fit.model == apply.model != STATUS)
            yield apply.shape, frozenset(name for fit in fits for name in fit.features)

    def applies(self) -> Iterator[tuple[SearchFlow, Apply]]:
        """Yield every apply."""
        return ((flow, apply) for flow in self.searches for apply in flow.notes.applies)


@lru_cache(maxsize=4)
def _cached(app: App, apps: tuple[App, ...]) -> Dataflow:
    names = frozenset(stanza.name for stanza in app.conf("savedsearches.conf"))
    own = frozenset(stanza.name for each in apps for stanza in each.conf("indexes.conf"))
    texts = [(search, commands(app.readable(search))) for search in [*app.searches, *_by_hand(app)]]
    stores, outputs = stores_of(app, ()), dict[str, tuple[str, ...]]()
    flows: tuple[SearchFlow, ...] = ()
    for _ in range(_ROUNDS):
        flows = tuple(_walked(search, pipeline, Walk(stores, own, outputs, names)) for search, pipeline in texts)
        writes = [write for flow in flows for write in flow.notes.writes]
        stores = stores_of(app, writes)
        own = own | {write.target for write in writes if write.command != "outputlookup" and write.target}
        outputs = {}
        for flow in flows:
            for fit in flow.notes.fits:
                version = (VERSION,) if "algo" in fit.options else ()
                targets = (fit.target,) if fit.target else ()
                outputs[fit.model] = tuple(dict.fromkeys((*outputs.get(fit.model, ()), *targets, *version)))
    return Dataflow(app, flows, stores, own)


def _by_hand(app: App) -> list[AppSearch]:
    """Return the macros that write and that nothing calls: people do, in the search bar."""
    callers = "\n".join([*(search.text for search in app.searches), *(each.definition for each in app.macros.values())])
    searches = []
    for stanza in app.conf("macros.conf"):
        text, name = stanza.get("definition"), stanza.name.partition("(")[0]
        if _WRITES.search(text) and f"`{name}`" not in callers and f"`{name}(" not in callers:
            generated = _GENERATES.match(text) is not None
            search = AppSearch(name, f"| {text}" if generated else f"| `rows` | {text}", _MACROS, stanza.line, stanza)
            searches.append(search)
    return searches


def dataflow(app: App, apps: Sequence[App]) -> Dataflow:
    """Return the model of an app; `apps` are those that are checked together."""
    return _cached(app, tuple(apps))


def _walked(search: AppSearch, pipeline: tuple[Command, ...], walk: Walk) -> SearchFlow:
    walk.notes.outputs = tuple(walk.run(pipeline))
    return SearchFlow(search, pipeline, walk.notes)
