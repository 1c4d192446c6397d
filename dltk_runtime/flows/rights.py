"""The rights that an app's searches need: by command, and by the object that it reads or writes.

================ ============================================= ==============================================
command          capabilities of the owner                     access to objects
================ ============================================= ==============================================
``fit``          `CONTAINER_CAPABILITIES`; `STUB_CAPABILITY`   write on the app and its lookups: the stub is
                 alone for algorithms of the toolkit itself    a lookup file, made by the search itself
``apply``        `CONTAINER_CAPABILITIES`; none for a model    read on the stub
                 of the toolkit itself
``collect``,     ``run_collect``, ``run_mcollect``             the index exists
``mcollect``
``outputlookup`` ``output_file``                               write on the collection and its lookup
``inputlookup``  ``input_file``                                read on them
a head, mstats,                                                the index in ``srchIndexesAllowed`` of a role
tstats
a schedule       ``schedule_search``
================ ============================================= ==============================================

Sources: authorize.conf.spec; the AI Toolkit's check of its owner's capabilities, and of what the
save of a stub asks for (``upload_lookup_files`` and write on the app, read in its code).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dltk_runtime.flows import conf
from dltk_runtime.flows.app import App
from dltk_runtime.flows.conf import Stanza
from dltk_runtime.flows.dataflow import SearchFlow
from dltk_runtime.flows.spl import Stage

# Of the commands that call the container; the AI Toolkit reads them of the search's owner by name.
CONTAINER_CAPABILITIES: dict[str, frozenset[str]] = {
    "fit": frozenset(("fit_mltkcontainer", "list_storage_passwords", "upload_lookup_files")),
    "apply": frozenset(("apply_mltkcontainer", "list_storage_passwords")),
}
STUB_CAPABILITY = "upload_lookup_files"  # of every fit: its model, or the entry of it, is a lookup file
# Splunk's own, which the role `user` has and a bare role has not.
SPLUNK_CAPABILITIES: dict[str, frozenset[str]] = {
    "collect": frozenset(("run_collect",)),
    "mcollect": frozenset(("run_mcollect",)),
    "outputlookup": frozenset(("output_file",)),
    "inputlookup": frozenset(("input_file",)),
    "fit": frozenset(("run_custom_command",)),
    "apply": frozenset(("run_custom_command",)),
}
SCHEDULE_CAPABILITY = "schedule_search"
_INDEX = re.compile(r"\bindex\s*=\s*\"?([\w*-]+)")


@dataclass(frozen=True, slots=True)
class Needs:
    """What one search asks of whoever runs it.

    Attributes:
        capabilities: by the table above.
        searched, written: indexes.
        read_lookups, written_lookups: definitions or files.
        fitted, applied: models, whose stubs are lookup files.
    """

    capabilities: frozenset[str]
    searched: frozenset[str]
    written: frozenset[str]
    read_lookups: frozenset[str]
    written_lookups: frozenset[str]
    fitted: frozenset[str]
    applied: frozenset[str]


def capabilities(flow: SearchFlow) -> frozenset[str]:
    """Return the capabilities that a search needs, of its schedule too."""
    needed = [names for command, names in SPLUNK_CAPABILITIES.items() if flow.has(command)]
    scheduled = {SCHEDULE_CAPABILITY} if flow.search.scheduled else set()
    return toolkit_capabilities(flow).union(scheduled, *needed)


def toolkit_capabilities(flow: SearchFlow) -> frozenset[str]:
    """Return what ``fit`` and ``apply`` of a search ask for, by whether they call the container."""
    fits, applies = flow.notes.fits, flow.notes.applies
    calls = {
        "fit": any("algo" in fit.options for fit in fits) if fits else flow.has("fit"),
        "apply": not all(apply.native for apply in applies) if applies else flow.has("apply"),
    }
    needed = [CONTAINER_CAPABILITIES[command] for command, called in calls.items() if called]
    return frozenset({STUB_CAPABILITY} if flow.has("fit") else ()).union(*needed)


def needs(flow: SearchFlow) -> Needs:
    """Return what one search asks of whoever runs it."""
    notes = flow.notes
    return Needs(
        capabilities=capabilities(flow),
        searched=frozenset(each.target for each in notes.reads if not each.lookup and each.target),
        written=frozenset(each.target for each in notes.writes if each.command != "outputlookup" and each.target),
        read_lookups=frozenset(each.target for each in notes.reads if each.lookup and each.target),
        written_lookups=frozenset(each.target for each in notes.writes if each.command == "outputlookup"),
        fitted=frozenset(each.model for each in notes.fits if each.model),
        applied=frozenset(each.model for each in notes.applies),
    )


def fitting_roles(app: App) -> list[Stanza]:
    """Return the roles of the app that may fit."""
    named = ("fit_mltkcontainer", STUB_CAPABILITY)
    return [stanza for stanza in app.conf("authorize.conf") if any(map(stanza.flag, named))]


def searchable(role: Stanza) -> set[str]:
    """Return the indexes that a role may search by its own ``srchIndexesAllowed``."""
    return {name.strip() for name in role.get("srchIndexesAllowed").split(";") if name.strip()}


def writers(app: App, what: str) -> set[str]:
    """Return the roles that may write `what` by metadata/default.meta: "" for the app itself."""
    stanzas = conf.read(app.folder / "metadata" / "default.meta")
    access = next((each.get("access") for each in stanzas if each.name == what), "")
    named = re.search(r"write\s*:\s*\[([^\]]*)\]", access)
    return {name.strip() for name in named[1].split(",")} if named else set()


def indexes_read(stages: Iterable[Stage]) -> set[str]:
    """Return the indexes that a search reads; those of macros that are not in the app are unknown."""
    reading = (stage.arguments for stage in stages if stage.name in ("search", "mstats", "tstats"))
    return {name for arguments in reading for name in _INDEX.findall(arguments)}
