"""Judge each knowledge object that calls a container: in use, unused, broken, or unknown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from dltk_runtime.doctor.owners import macros_of
from dltk_runtime.doctor.rest import Rest
from dltk_runtime.emulator.spl.macros import Macro
from dltk_runtime.inventory import audit, models, objects
from dltk_runtime.inventory.audit import UNKNOWN, Audit, Runs
from dltk_runtime.inventory.calls import MARKS, PLACEHOLDER, FoundInSearch, ModelUse, find
from dltk_runtime.inventory.models import SplunkModels
from dltk_runtime.inventory.objects import USERS, Item, Sort
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.texts import listed

MAX_REFERENCES = 8  # saved searches that run saved searches, one after the other
MAX_LISTED = 10  # names in one note
NOBODY = "nobody"


class ObjectState(StrEnum):
    """What became of an object."""

    IN_USE = "in use"
    UNUSED = "unused"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SurveyEntry:
    """One object with what it calls; `reason` says why it has its state, and may be empty."""

    item: Item
    uses: tuple[ModelUse, ...]
    state: ObjectState
    reason: str = ""
    runs: Runs = UNKNOWN


@dataclass(frozen=True, slots=True)
class Survey:
    """The objects that call a container, and notes on what could not be read."""

    splunk: str
    days: int
    entries: tuple[SurveyEntry, ...]
    notes: tuple[str, ...] = ()


def survey(rest: Rest, connection: Connection, days: int) -> Survey:
    """Read everything and judge it; only reads.

    Args:
        days: how long ago a run counts.

    Raises:
        Refused, NoAnswer: a list that everything rests on is refused, or Splunk does not answer.
    """
    everything = tuple(objects.items(rest))
    users = objects.optional(rest, USERS)
    there = Splunk(
        everything,
        macros_of(rest),
        models.read(rest, connection),
        audit.read(connection, days),
        None if users is None else frozenset(str(each["name"]) for each in users),
        days,
    )
    return Survey(rest.base, days, tuple(there.entries()), tuple(there.notes()))


@dataclass(frozen=True)
class Splunk:
    """What was read of one Splunk; `users` is None where the list is refused.

    Objects and macros may be thousands: what is asked for each of them is looked up, not searched.
    """

    items: tuple[Item, ...]
    macros: Mapping[str, Mapping[str, Macro]]  # by app; those shared with all under the empty name
    models: SplunkModels
    audit: Audit
    users: frozenset[str] | None
    days: int
    _found: dict[Item, FoundInSearch] = field(default_factory=dict)
    _seen: dict[str, dict[str, Macro]] = field(default_factory=dict)

    @cached_property
    def _named(self) -> Mapping[tuple[Sort, str], list[Item]]:
        """The objects by kind and name; reports are searches."""
        found: dict[tuple[Sort, str], list[Item]] = defaultdict(list)
        for each in self.items:
            found[_kind(each), each.name].append(each)
        return found

    def entries(self) -> Iterator[SurveyEntry]:
        """Yield the objects that call a container or may do so, macros last."""
        known = {each: self.found(each) for each in self.items}
        fits = {use for found in known.values() for use in found.uses if use.command == "fit"}
        made = [self._entry(item, found, fits) for item, found in known.items()]
        calling = [each for each in made if each.uses]
        yield from (each for each in calling if each.item.sort is not Sort.MACRO)
        yield from (self._macro(each, calling) for each in calling if each.item.sort is Sort.MACRO)

    def notes(self) -> Iterator[str]:
        """Yield what could not be read, and what follows."""
        yield from filter(None, (self.audit.problem, self.models.problem))
        if self.models.names is None:
            yield "the lookup files may not be listed: whether a model's entry is there is unknown"
        if self.users is None:
            yield "the users may not be listed: whether an owner exists is unknown"
        if torn := [f"{each.app}/{each.name}" for each in self.items if each.problem]:
            yield f"dashboards whose source cannot be read may hold more: {listed(torn, MAX_LISTED)}"
        unseen = {name for each in self.items for name in self.found(each).unknown_macros}
        if unseen:
            yield f"macros that the token's user does not see may hold more: {listed(unseen, MAX_LISTED)}"

    def found(self, item: Item) -> FoundInSearch:
        """Return what an object holds, with the saved searches that it runs."""
        if item not in self._found:
            self._found[item] = self._read(item, MAX_REFERENCES)
        return self._found[item]

    def _read(self, item: Item, depth: int) -> FoundInSearch:
        seen = self._macros_of(item.app)
        found = FoundInSearch(problems=[item.problem] if item.problem else [])
        for each in item.searches:
            found.add(find(each.text, seen, fragment=each.fragment))
            found.searches |= {each.saved} if each.saved else set()
        found.uses |= {ModelUse(mark) for mark in MARKS if mark in item.source}
        for name in found.searches if depth else ():
            for other in self._saved(name, item.app):
                found.uses |= self._read(other, depth - 1).uses
        return found

    def _saved(self, name: str, app: str) -> list[Item]:
        """Return the saved search of that name in the app, or those of all apps."""
        named = self._named.get((Sort.SEARCH, name), [])
        return [each for each in named if each.app == app] or named

    def _macros_of(self, app: str) -> dict[str, Macro]:
        """Return the macros that an app's searches see."""
        if app not in self._seen:
            self._seen[app] = {**self.macros.get("", {}), **self.macros.get(app, {})}
        return self._seen[app]

    def _entry(self, item: Item, found: FoundInSearch, fits: set[ModelUse]) -> SurveyEntry:
        uses = tuple(sorted(self._ours(found.uses, fits), key=lambda use: (use.model, use.command, use.algorithm)))
        runs = self._runs(item)
        broken = "; ".join(self._broken(item, found, uses))
        if broken:
            return SurveyEntry(item, uses, ObjectState.BROKEN, broken, runs)
        return SurveyEntry(item, uses, *self._judged(item, runs), runs)

    def _ours(self, uses: Iterable[ModelUse], fits: set[ModelUse]) -> Iterator[ModelUse]:
        """Yield the uses of containers, and those of models of which nobody says whose they are."""
        fitted: dict[str, set[str]] = {}
        for use in fits:
            if not use.in_splunk:
                fitted.setdefault(use.model, set()).add(use.algorithm)
        elsewhere = {use.model for use in fits if use.in_splunk} - fitted.keys()
        for use in uses:
            kind = self.models.in_container(use.model)
            if use.in_splunk or kind is False or (kind is None and use.model in elsewhere):
                continue
            yield replace(use, algorithm=use.algorithm or self._algorithm_of(use.model, fitted.get(use.model, set())))

    def _algorithm_of(self, model: str, fitted: set[str]) -> str:
        """Return a model's algorithm: that of all its fits, else the one that Splunk lists, else all that it may be."""
        known = self.models.algorithms.get(model, "")
        return next(iter(fitted)) if len(fitted) == 1 else known or " or ".join(sorted(fitted))

    def _broken(self, item: Item, found: FoundInSearch, uses: tuple[ModelUse, ...]) -> Iterator[str]:
        yield from found.problems
        names = self.models.names
        called = {
            use.model
            for use in uses
            if use.command in {"apply", "summary"} and use.model and PLACEHOLDER not in use.model
        }
        if names is not None and (absent := sorted(called - names)):
            yield f"Splunk has no entry of {', '.join(absent)}"
        if self.users is not None and item.schedule and item.owner not in {*self.users, NOBODY}:
            yield f"the owner {item.owner} does not exist, so it never runs"

    def _runs(self, item: Item) -> Runs:
        if item.sort in {Sort.SEARCH, Sort.REPORT}:
            return self.audit.of_search(item.name, item.app, alone=self._alone(item))
        return self.audit.of_view(item.name, item.app, alone=self._alone(item)) if item.sort is Sort.VIEW else UNKNOWN

    def _alone(self, item: Item) -> bool:
        return len(self._named[_kind(item), item.name]) == 1

    def _judged(self, item: Item, runs: Runs) -> tuple[ObjectState, str]:
        if runs.count is None:
            return (
                ObjectState.UNKNOWN,
                "has a schedule; its runs are unknown" if item.schedule else "its runs are unknown",
            )
        if runs.count:
            return ObjectState.IN_USE, ""
        return ObjectState.UNUSED, f"has a schedule, and no run in {self.days} days" if item.schedule else ""

    def _macro(self, entry: SurveyEntry, calling: list[SurveyEntry]) -> SurveyEntry:
        """Judge a macro by the objects that call it, directly or through others."""
        if entry.state is ObjectState.BROKEN:
            return entry
        name = entry.item.name.partition("(")[0]
        callers = [
            each for each in calling if each.item.sort is not Sort.MACRO and name in self.found(each.item).macros
        ]
        states = {each.state for each in callers}
        shown = ", ".join(sorted({each.item.name for each in callers}))
        if ObjectState.IN_USE in states:
            return replace(entry, state=ObjectState.IN_USE, reason=f"called by {shown}")
        if callers:
            state = ObjectState.UNKNOWN if ObjectState.UNKNOWN in states else ObjectState.UNUSED
            return replace(entry, state=state, reason=f"called by {shown}")
        return replace(entry, state=ObjectState.UNUSED, reason="no view and no saved search calls it")


def _kind(item: Item) -> Sort:
    return Sort.SEARCH if item.sort is Sort.REPORT else item.sort
