"""Chapter 8: who may read and write what the searches touch, and what views wait for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from dltk_runtime.flows import conf, rights
from dltk_runtime.flows.app import App
from dltk_runtime.flows.conf import Stanza
from dltk_runtime.flows.dataflow import dataflow
from dltk_runtime.flows.rules.rule import Found, Rule
from dltk_runtime.flows.studio.definition import definition, section, sources

_USED = re.compile(r"\$(?:form\.)?(\w+)(?:[.:]\w+)?(?:\|\w)?\$")
_SPLUNKS_TOKENS = {"env", "row", "click", "click2", "result", "job", "trellis", "name", "earliest", "latest"}
_RUNNING = ("schedule_search", "fit_mltkcontainer", "apply_mltkcontainer")
_SETTERS = ("set", "eval", "input", "init")


def _access(app: App, what: str, right: str) -> set[str] | None:
    """Return the roles with a right on an object, or on the app; None when nothing is said."""
    stanzas = {each.name: each.get("access") for each in conf.read(app.folder / "metadata" / "default.meta")}
    kind = what.partition("/")[0]
    for name in (what, kind, ""):
        if match := re.search(rf"{right}\s*:\s*\[([^\]]*)\]", stanzas.get(name, "")):
            return {role.strip() for role in match[1].split(",") if role.strip()}
    return None


def _roles(app: App) -> tuple[list[Stanza], list[Stanza]]:
    """Return the roles of the account that runs searches, and those of people."""
    roles = [each for each in app.conf("authorize.conf") if each.name.startswith("role_") and each.flag("search")]
    runners = [each for each in roles if any(map(each.flag, _RUNNING))]
    return runners, [each for each in roles if each not in runners]


def _name(role: Stanza) -> str:
    return role.name.removeprefix("role_")


def _cannot_read(app: App, apps: Sequence[App]) -> Iterator[Found]:
    runners, people = _roles(app)
    objects = ["", *dict.fromkeys(stanza.name for stanza in conf.read(app.folder / "metadata" / "default.meta"))]
    for what in dict.fromkeys(objects):
        allowed = _access(app, what, "read")
        for role in [*runners, *people]:
            if allowed is not None and "*" not in allowed and _name(role) not in allowed:
                yield Found("metadata/default.meta", f"[{what}] read leaves out {_name(role)}")
    own = {stanza.name for each in apps for stanza in each.conf("indexes.conf")}
    viewed = {read.target for each in dataflow(app, apps).searches if each.search.view for read in each.notes.reads}
    for role in people:
        missing = sorted((viewed & own) - rights.searchable(role))
        if missing and "*" not in rights.searchable(role):
            yield Found(f"default/authorize.conf:{role.line}", f"{_name(role)} may not search {', '.join(missing)}")


def _cannot_write(app: App, apps: Sequence[App]) -> Iterator[Found]:
    runners, people = _roles(app)
    for search, write in dataflow(app, apps).writes():
        if write.command != "outputlookup" or not runners:
            continue
        collection = app.setting("transforms.conf", write.target, "collection")
        for what in (f"transforms/{write.target}", f"collections/{collection}") if collection else ():
            allowed = _access(app, what, "write")
            writers = runners if search.search.scheduled else people if search.search.view else []
            if allowed is not None and writers and not {_name(role) for role in writers} & allowed:
                yield Found(search.where, f"[{what}] write names none of {', '.join(map(_name, writers))}")


def _bare_runner(app: App, apps: Sequence[App]) -> Iterator[Found]:
    runners, people = _roles(app)
    flow = dataflow(app, apps)
    mine = [each for each in flow.searches if not each.search.view and (each.search.scheduled or each.has("fit"))]
    views = [each for each in flow.searches if each.search.view and not each.has("apply")]
    for role, searches in [*((each, mine) for each in runners), *((each, views) for each in people)]:
        needed = {name for search in searches for name in rights.capabilities(search)}
        if role.get("importRoles") or (role in people and not _reviews(role)):
            continue
        if missing := sorted(name for name in needed if not role.flag(name)):
            yield Found(f"default/authorize.conf:{role.line}", f"{_name(role)} lacks {', '.join(missing)}")


def _reviews(role: Stanza) -> bool:
    """Whether the role is one of people who write: it has a right to write anything."""
    return role.flag("run_collect") or role.flag("output_file")


def _unset_tokens(app: App, _: Sequence[App]) -> Iterator[Found]:
    known = {search.name for search in app.searches}
    for path in app.views:
        text = path.read_text(encoding="utf-8", errors="replace")
        try:
            root = ET.fromstring(text)  # noqa: S314 - the user's own files
        except ET.ParseError:
            continue  # rule 713 reports it
        shown = str(path.relative_to(app.folder))
        yield from _tokens_of(root, text, shown)
        refs = {each.get("ref") or "" for each in root.iter("search") if each.get("ref")}
        refs |= {each.saved for each in sources(_definition(root)) if each.saved and each.app == app.name}
        yield from (Found(shown, f"ref={name} is no saved search of the app") for name in sorted(refs - known))


def _definition(root: ET.Element) -> dict[str, Any]:
    try:
        return definition(root) or {}
    except ValueError:
        return {}  # rule 721 reports it


def _tokens_of(root: ET.Element, text: str, shown: str) -> Iterator[Found]:
    setters = [each for each in root.iter() if each.tag in _SETTERS and each.get("token")]
    made = {(each.get("token") or "").removeprefix("form.").partition(".")[0] for each in setters}
    made |= _set_in_studio(_definition(root))
    used = set(_USED.findall(text)) - _SPLUNKS_TOKENS
    yield from (Found(shown, f"${name}$ is set by nothing") for name in sorted(used - made))
    yield from (Found(shown, f"the token {name} is set, and nothing uses it") for name in sorted(made - used))


def _set_in_studio(found: dict[str, Any]) -> set[str]:
    """Return the tokens of a Studio dashboard that inputs, clicks and defaults set."""
    made = {str(section(each, "options").get("token", "")) for each in section(found, "inputs").values()}
    made |= set(section(section(section(found, "defaults"), "tokens"), "default"))
    clicks = [each for panel in section(found, "visualizations").values() for each in panel.get("eventHandlers") or []]
    made |= {str(each.get("token", "")) for click in clicks for each in section(click, "options").get("tokens") or []}
    return made - {""}


RULES = (
    Rule(
        831,
        "A role of the app may not read what its searches and views read.",
        "Name the role in the read list of metadata/default.meta, and the index in its srchIndexesAllowed.",
        _cannot_read,
    ),
    Rule(
        832,
        "A role of the app may not write what its searches write.",
        "Name it in the write lists of the collection and of its lookup.",
        _cannot_write,
    ),
    Rule(
        833,
        "The role of those who run a search lacks a capability that it needs; another role's does not help them.",
        "Enable it in the very role.",
        _bare_runner,
    ),
    Rule(
        834,
        "A panel waits for ever for a token that nothing sets, or for a search that is not there.",
        "Spell the token as its input, drilldown or set does, and ref as the saved search.",
        _unset_tokens,
    ),
)
