"""Whether the owners may do what their searches do: capabilities, indexes, and access to objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dltk_runtime.doctor.finding import Finding, error, ok, unknown
from dltk_runtime.doctor.flow.installed import APPS, COLLECTIONS, LOOKUPS, TRANSFORMS, Installed
from dltk_runtime.doctor.flow.splunk import ROLES, Person, SearchHead
from dltk_runtime.doctor.owners import TOOLKIT_CAPABILITIES
from dltk_runtime.emulator.mltk.stubs import PREFIX, SUFFIX
from dltk_runtime.flows.dataflow import SearchFlow
from dltk_runtime.flows.rights import Needs, needs
from dltk_runtime.texts import listed

Object = tuple[str, str, Mapping[str, Any]]  # its place, its name, its entry


def rights(splunk: SearchHead, installed: Installed) -> Iterator[Finding]:
    """Check each owner against the table of `dltk_runtime.flows.rights`."""
    for owner, flows in sorted(installed.owned().items()):
        person = None if owner == "nobody" else splunk.person(owner)
        if person is None:
            yield unknown("rights", f"those of {owner}: there is no such user", "Correct the owner first.", where=ROLES)
            continue
        found = [*_capabilities(splunk, person, flows), *_indexes(person, flows), *_objects(person, flows, installed)]
        yield from found
        if not found:
            text = f"{owner} may do what these searches do: {listed(each.search.name for each in flows)}"
            yield ok("rights", text, where=ROLES)


def _capabilities(splunk: SearchHead, person: Person, flows: list[SearchFlow]) -> Iterator[Finding]:
    needed = {name for each in flows for name in needs(each).capabilities}
    # Older releases of the AI Toolkit lack these capabilities, and then no role has them.
    needed -= TOOLKIT_CAPABILITIES - splunk.capabilities
    if missing := needed - person.capabilities:
        lacking = [each.search.name for each in flows if needs(each).capabilities & missing]
        text = f"{person.name} lacks {', '.join(sorted(missing))} for {listed(lacking)}"
        yield error(
            "rights", text, f"Give {person.name} the app's role dltk_<flow>_runner, or one with these.", where=ROLES
        )


def _indexes(person: Person, flows: list[SearchFlow]) -> Iterator[Finding]:
    for index in sorted({name for each in flows for name in needs(each).searched if "*" not in name}):
        if not person.searches(index):
            reading = listed(each.search.name for each in flows if index in needs(each).searched)
            text = f"{person.name} may not search the index {index}: nothing is found by {reading}"
            yield error("rights", text, f"Add {index} to srchIndexesAllowed of a role of {person.name}.", where=ROLES)


def _objects(person: Person, flows: list[SearchFlow], installed: Installed) -> Iterator[Finding]:
    for right in ("write", "read"):
        objects = {each[:2]: each for flow in flows for each in _touched(right, needs(flow), installed)}
        for place, name, entry in objects.values():
            if not person.may(right, entry, installed.entry):
                text = f"{person.name} may not {right} {name}"
                advice = f"Name a role of {person.name} under {right} in its permissions."
                yield error("rights", text, advice, where=f"{place}/{name}")


def _touched(right: str, needed: Needs, installed: Installed) -> Iterator[Object]:
    """Yield what a search reads or writes by name; an entry that is not there is reported elsewhere."""
    for name in needed.written_lookups if right == "write" else needed.read_lookups:
        yield from _lookup(name, installed)
    files = installed.seen[LOOKUPS]
    for model in needed.fitted if right == "write" else needed.applied:
        stub = f"{PREFIX}{model}{SUFFIX}"
        if stub in files:
            yield installed.path(LOOKUPS), stub, files[stub]
        elif right == "write":  # the first fit makes it, in the app
            yield APPS, installed.name, installed.entry


def _lookup(name: str, installed: Installed) -> Iterator[Object]:
    """Yield a lookup's definition and its collection, or its file."""
    for folder, known in ((TRANSFORMS, name), (LOOKUPS, name), (COLLECTIONS, _collection(name, installed))):
        if known in installed.seen[folder]:
            yield installed.path(folder), known, installed.seen[folder][known]


def _collection(name: str, installed: Installed) -> str:
    return str(installed.seen[TRANSFORMS].get(name, {}).get("collection", ""))
