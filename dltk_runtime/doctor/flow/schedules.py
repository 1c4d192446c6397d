"""Whether the searches run at all: schedules, owners, macros, and whether anybody hears the alerts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dltk_runtime import booleans
from dltk_runtime.doctor.finding import Located
from dltk_runtime.doctor.flow.installed import MACROS, SAVED, Installed
from dltk_runtime.doctor.flow.located import error, ok, warning
from dltk_runtime.doctor.flow.splunk import Splunk
from dltk_runtime.emulator.spl.macros import called
from dltk_runtime.flows.hearing import is_alert, unheard
from dltk_runtime.texts import counted

MAX_LISTED = 4  # names in one line


def listed(names: Iterable[str]) -> str:
    """Return the first names, sorted, and how many more there are."""
    known = sorted(names)
    rest = f" and {len(known) - MAX_LISTED} more" if len(known) > MAX_LISTED else ""
    return ", ".join(known[:MAX_LISTED]) + rest


def schedules(_: Splunk, installed: Installed) -> Iterator[Located]:
    """Check that the schedules are on."""
    where, searches = installed.path(SAVED), installed.scheduled
    off = [each.name for each in searches if not installed.runs(each)]
    disabled = [name for name, each in installed.own(SAVED).items() if booleans.parse_conf(each.get("disabled"))]
    if not searches:
        yield error("schedules", "no search of the app has a schedule", where, "Install the app of the flow again.")
    elif len(off) == len(searches):
        advice = "Switch them on: Settings, Searches, Edit Schedule; or enableSched = 1 in local/savedsearches.conf."
        yield error("schedules", f"all {len(searches)} schedules are switched off: nothing runs", where, advice)
    elif off:
        text = f"{counted(len(off), 'schedule')} of {len(searches)} switched off: {listed(off)}"
        yield warning("schedules", text, where, "Switch on those that you want: Settings, Searches, Edit Schedule.")
    else:
        yield ok("schedules", f"all {len(searches)} schedules are on", where)
    if disabled:
        advice = "Enable them; a search without a schedule needs no 'disabled'."
        yield warning("schedules", f"disabled, so not even run by hand: {listed(disabled)}", where, advice)


def owners(splunk: Splunk, installed: Installed) -> Iterator[Located]:
    """Check that the searches belong to a user who exists."""
    where = installed.path(SAVED)
    advice = "POST …/saved/searches/<name>/acl with owner=<service account>&sharing=app."
    for owner, flows in sorted(installed.owned().items()):
        names = listed(each.search.name for each in flows)
        if owner == "nobody":
            text = f"owned by nobody, of whom the AI Toolkit finds no capabilities: {names}"
            yield error("owners", text, where, f"Assign them to a service account: {advice}")
        elif splunk.person(owner) is None:
            text = f"owned by {owner}, whom Splunk does not have, so they never run: {names}"
            yield error("owners", text, where, f"Assign them to an existing user: {advice}")
        else:
            yield ok("owners", f"owned by {owner}: {names}", where)


def macros(_: Splunk, installed: Installed) -> Iterator[Located]:
    """Check that every macro is there, and show the values of those that searches call."""
    seen = {name.partition("(")[0] for name in installed.seen[MACROS]}
    texts = [*(each.text for each in installed.app.searches), *_definitions(installed)]
    calls = set().union(*map(called, texts))
    where = installed.path(MACROS)
    if missing := calls - seen:
        advice = "Define them in the app's macros.conf, or share them from the app that has them."
        yield error("macros", f"called, and not there: {listed(missing)}", where, advice)
    for name in sorted(calls & set(installed.own(MACROS))):
        if name.endswith(("_base", "_model", "_summary")):
            yield ok("macros", f"{name} is {installed.own(MACROS)[name].get('definition', '')}", where)


def heard(_: Splunk, installed: Installed) -> Iterator[Located]:
    """Check that somebody hears the alerts."""
    alerts = [each.name for each in installed.scheduled if is_alert(each.stanza)]
    silent = unheard(installed.app)
    where = installed.path(SAVED)
    if silent:
        advice = "Give them an e-mail with an address, a webhook or another action; else they are seen under Triggered "
        yield warning(
            "alerts", f"without an action that tells somebody: {listed(silent)}", where, f"{advice}Alerts alone."
        )
    elif alerts:
        yield ok("alerts", f"all {len(alerts)} alerts have an action", where)


def _definitions(installed: Installed) -> Iterator[str]:
    return (str(each.get("definition", "")) for each in installed.own(MACROS).values())
