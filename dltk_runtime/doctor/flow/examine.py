"""One read-only pass over an installed flow; a check that cannot read says so, and the others still run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

from dltk_runtime import booleans
from dltk_runtime.doctor.finding import Finding, error, ok, unknown
from dltk_runtime.doctor.flow import load, rights, schedules, storage
from dltk_runtime.doctor.flow.installed import APPS, Installed, read
from dltk_runtime.doctor.flow.splunk import SearchHead
from dltk_runtime.doctor.rest import Refused
from dltk_runtime.errors import DltkError

Check = Callable[[SearchHead, Installed], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    schedules.schedules,
    schedules.owners,
    rights.rights,
    schedules.macros,
    storage.models,
    storage.indexes,
    storage.collections,
    load.load,
    load.skipped,
    storage.runs,
    schedules.heard,
)


def examine(splunk: SearchHead, name: str) -> Iterator[Finding]:
    """Yield the lines on the app `name`.

    Raises:
        NoAnswer: nothing answers.
        Refused: the list of the app's searches, or another that everything rests on, is refused.
    """
    try:
        entry = splunk.rest.get(f"{APPS}/{quote(name, safe='')}")[0]
    except Refused as failure:
        if failure.status != 404:
            raise
        yield error(
            "app", f"{name} is not installed", "Install it: dltk flow package, or dltk flow install.", where=APPS
        )
        return
    if booleans.parse_conf(entry.get("disabled")):
        yield error("app", f"{name} is disabled", "Enable it under Apps, Manage Apps.", where=f"{APPS}/{name}")
        return
    yield ok("app", f"{name} {entry.get('version') or ''} is installed".replace("  ", " "), where=f"{APPS}/{name}")
    installed = read(splunk, name, entry)
    for check in CHECKS:
        yield from _lines(check, splunk, installed)


def _lines(check: Check, splunk: SearchHead, installed: Installed) -> Iterator[Finding]:
    try:
        yield from check(splunk, installed)
    except Refused as failure:
        advice = "The token's user may not read this; ask with the token of an administrator."
        yield unknown(check.__name__, failure.sentence, advice, where="REST")
    except DltkError as failure:
        yield unknown(check.__name__, failure.sentence, where="REST")
    except (KeyError, TypeError, ValueError) as failure:
        text = f"the answer has another form than is known: {type(failure).__name__}: {failure}"
        yield unknown(
            check.__name__, text, "Check this by hand, and report it as a bug of 'dltk flow doctor'.", where="REST"
        )
