"""Each search of each app, by the table of rights, for each role that the app ships: runner, reviewer, viewer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from dltk_runtime.flows import conf
from dltk_runtime.flows.app import App, find_apps
from dltk_runtime.flows.dataflow import SearchFlow, dataflow
from dltk_runtime.flows.rights import Needs, needs
from tests.flows.helpers import invoke
from tests.flows.variants import VARIANTS

WRITING = frozenset(("collect", "outputlookup"))
# What people need for it is in no role of ours: reading the container's status.
STATUS_VIEW = "status"


def apps_of(variant: str, folder: Path) -> list[App]:
    kind, *options = VARIANTS[variant]
    invoke("flow", "new", kind, "web", "--defaults", "--to", str(folder), *options)
    return find_apps(folder)


def roles_for(flow: SearchFlow, roles: Collection[str]) -> list[str]:
    """Whose search it is; one that somebody runs by hand and that writes is of either who writes."""
    needed = needs(flow)
    writes = bool(needed.written or needed.written_lookups)
    people = ["reviewer"] if writes and "reviewer" in roles else ["viewer"]
    if flow.search.view:
        return people
    if flow.search.scheduled or flow.has("fit", "apply"):
        return ["runner"]
    return [*people, "runner"] if writes else people


def access(app: App, what: str, right: str) -> set[str]:
    """The roles with a right on an object: of its own stanza, its kind's, or the app's."""
    stanzas = {each.name: each.get("access") for each in conf.read(app.folder / "metadata" / "default.meta")}
    for name in (what, what.partition("/")[0], ""):
        if found := re.search(rf"{right}\s*:\s*\[([^\]]*)\]", stanzas.get(name, "")):
            return {each.strip() for each in found[1].split(",")}
    return set()


def missing(app: App, needed: Needs, role: str, own: set[str]) -> Iterator[str]:
    """What a role lacks for a search."""
    stanza = next(each for each in app.conf("authorize.conf") if each.name == f"role_dltk_web_{role}")
    yield from (name for name in sorted(needed.capabilities) if not stanza.flag(name))
    searched = {name.strip() for name in stanza.get("srchIndexesAllowed").split(";")}
    yield from (f"index {name}" for name in sorted(needed.searched & own - searched))
    lookups = {each.name: each.get("collection") for each in app.conf("transforms.conf")}
    for right, names in (("read", needed.read_lookups), ("write", needed.written_lookups)):
        for name in sorted(names & lookups.keys()):
            objects = [f"transforms/{name}", *([f"collections/{lookups[name]}"] if lookups[name] else [])]
            yield from (f"{right} {what}" for what in objects if f"dltk_web_{role}" not in access(app, what, right))
    for what in ("", "lookups") if needed.fitted else ():
        if f"dltk_web_{role}" not in access(app, what, "write"):
            yield f"write [{what}], where the model's entry is made"


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_role_may_do_what_its_searches_do(variant: str, tmp_path: Path) -> None:
    app, *others = apps_of(variant, tmp_path)
    own = {each.name for other in others for each in other.conf("indexes.conf")}
    roles = {each.name.removeprefix("role_dltk_web_") for each in app.conf("authorize.conf")}
    assert {"runner", "viewer"} <= roles
    walked: dict[str, int] = dict.fromkeys(roles, 0)
    for flow in dataflow(app, [app, *others]).searches:
        if flow.search.view == STATUS_VIEW:
            continue
        lacking = {role: list(missing(app, needs(flow), role, own)) for role in roles_for(flow, roles)}
        assert [] in lacking.values(), (flow.where, lacking)
        walked[next(role for role, lacks in lacking.items() if not lacks)] += 1
    assert all(walked.values()), walked


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_role_may_more_than_its_searches_do(variant: str, tmp_path: Path) -> None:
    app, *others = apps_of(variant, tmp_path)
    stanzas = {each.name.removeprefix("role_dltk_web_"): each for each in app.conf("authorize.conf")}
    needed: dict[str, set[str]] = {role: {"search"} for role in stanzas}
    for flow in dataflow(app, [app, *others]).searches:
        for role in roles_for(flow, stanzas.keys()):
            needed[role] |= needs(flow).capabilities
    granted = {role: {name for name in each.settings if each.flag(name)} for role, each in stanzas.items()}
    assert {role: sorted(granted[role] - needed[role]) for role in stanzas} == {role: [] for role in stanzas}
    assert not granted["viewer"] & {"run_collect", "output_file", "schedule_search", "list_storage_passwords"}


@pytest.mark.parametrize("role", ["runner", "viewer"])
def test_what_is_taken_from_a_role_is_missed(tmp_path: Path, role: str) -> None:
    app, *_ = apps_of("direct", tmp_path)
    path = app.folder / "default" / "authorize.conf"
    path.write_text(path.read_text().replace("srchIndexesAllowed = dltk_web", "srchIndexesAllowed = other"))
    again = App(app.folder)
    flows = [each for each in dataflow(again, [again]).searches if each.search.view != STATUS_VIEW]
    mine = [each for each in flows if roles_for(each, {"runner", "viewer"}) == [role]]
    assert "index dltk_web" in {lack for each in mine for lack in missing(again, needs(each), role, {"dltk_web"})}
