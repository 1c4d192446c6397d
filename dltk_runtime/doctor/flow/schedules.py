"""Whether the searches run at all: schedules, owners, macros, and whether anybody hears the alerts."""

from __future__ import annotations

from collections.abc import Iterator

from dltk_runtime import booleans
from dltk_runtime.doctor.finding import Finding, error, ok, warning
from dltk_runtime.doctor.flow.installed import MACROS, SAVED, Installed
from dltk_runtime.doctor.flow.splunk import SearchHead
from dltk_runtime.emulator.spl.macros import called
from dltk_runtime.flows.hearing import is_alert, unheard
from dltk_runtime.texts import counted, listed


def schedules(_: SearchHead, installed: Installed) -> Iterator[Finding]:
    """Check that the schedules are on."""
    where, searches = installed.path(SAVED), installed.scheduled
    off = [each.name for each in searches if not installed.runs(each)]
    disabled = [name for name, each in installed.own(SAVED).items() if booleans.parse_conf(each.get("disabled"))]
    if not searches:
        yield error(
            "schedules", "no search of the app has a schedule", "Install the app of the flow again.", where=where
        )
    elif len(off) == len(searches):
        advice = "Switch them on: Settings, Searches, Edit Schedule; or enableSched = 1 in local/savedsearches.conf."
        yield error("schedules", f"all {len(searches)} schedules are switched off: nothing runs", advice, where=where)
    elif off:
        text = f"{counted(len(off), 'schedule')} of {len(searches)} switched off: {listed(off)}"
        yield warning(
            "schedules", text, "Switch on those that you want: Settings, Searches, Edit Schedule.", where=where
        )
    else:
        yield ok("schedules", f"all {len(searches)} schedules are on", where=where)
    if disabled:
        advice = "Enable them; a search without a schedule needs no 'disabled'."
        yield warning("schedules", f"disabled, so not even run by hand: {listed(disabled)}", advice, where=where)


def owners(splunk: SearchHead, installed: Installed) -> Iterator[Finding]:
    """Check that the searches belong to a user who exists."""
    where = installed.path(SAVED)
    advice = "POST …/saved/searches/<name>/acl with owner=<service account>&sharing=app."
    for owner, flows in sorted(installed.owned().items()):
        names = listed(each.search.name for each in flows)
        if owner == "nobody":
            text = f"owned by nobody, of whom the AI Toolkit finds no capabilities: {names}"
            yield error("owners", text, f"Assign them to a service account: {advice}", where=where)
        elif splunk.person(owner) is None:
            text = f"owned by {owner}, whom Splunk does not have, so they never run: {names}"
            yield error("owners", text, f"Assign them to an existing user: {advice}", where=where)
        else:
            yield ok("owners", f"owned by {owner}: {names}", where=where)


def macros(_: SearchHead, installed: Installed) -> Iterator[Finding]:
    """Check that every macro is there, and show the values of those that searches call."""
    seen = {name.partition("(")[0] for name in installed.seen[MACROS]}
    texts = [*(each.text for each in installed.app.searches), *_definitions(installed)]
    calls = set().union(*map(called, texts))
    where = installed.path(MACROS)
    if missing := calls - seen:
        advice = "Define them in the app's macros.conf, or share them from the app that has them."
        yield error("macros", f"called, and not there: {listed(missing)}", advice, where=where)
    for name in sorted(calls & set(installed.own(MACROS))):
        if name.endswith(("_base", "_model", "_summary")):
            yield ok("macros", f"{name} is {installed.own(MACROS)[name].get('definition', '')}", where=where)


def heard(_: SearchHead, installed: Installed) -> Iterator[Finding]:
    """Check that somebody hears the alerts."""
    alerts = [each.name for each in installed.scheduled if is_alert(each.stanza)]
    silent = unheard(installed.app)
    where = installed.path(SAVED)
    if silent:
        text = f"without an action that tells somebody: {listed(silent)}"
        advice = "Give them an e-mail with an address, or a webhook; else they are seen under Triggered Alerts alone."
        yield warning("alerts", text, advice, where=where)
    elif alerts:
        yield ok("alerts", f"all {len(alerts)} alerts have an action", where=where)


def _definitions(installed: Installed) -> Iterator[str]:
    return (str(each.get("definition", "")) for each in installed.own(MACROS).values())
