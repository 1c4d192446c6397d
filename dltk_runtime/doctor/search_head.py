"""Checks of Splunk: REST API, clock, permissions, apps, limits, and those of `owners`, `stanzas` and `addresses`."""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Iterator
from typing import Any

from dltk_runtime import booleans
from dltk_runtime.doctor.addresses import addresses
from dltk_runtime.doctor.clients import DSDL, TOOLKIT, calls_containers
from dltk_runtime.doctor.finding import Finding, error, ok, skipped, warning
from dltk_runtime.doctor.owners import owners
from dltk_runtime.doctor.rest import NoAnswer, Refused, Rest
from dltk_runtime.doctor.stanzas import stanzas
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.access import of_settings

MAX_CLOCK_SKEW_SECONDS = 60  # above it tokens and time ranges may fail
APPS = {  # title of each app by its folder
    TOOLKIT.app: TOOLKIT.title,
    "Splunk_SA_Scientific_Python_linux_x86_64": "Python for Scientific Computing",
    DSDL.app: DSDL.title,
}
LIMITS = ("max_fit_time", "max_inputs")


def splunk(settings: Settings) -> Iterator[Finding]:
    """Run the checks that use Splunk's REST API."""
    if not settings.splunk_access:
        advice = "Set splunk_access_enabled=1, splunk_access_host, _port and _token to check Splunk's side."
        yield skipped("splunk", "no connection to Splunk's REST API is configured", advice)
        return
    if not settings.splunk_host or not settings.splunk_token:
        yield error("splunk", "splunk_access_host or splunk_access_token is missing", "Set both.")
        return
    base = f"https://{settings.splunk_host}:{settings.splunk_port}"
    rest = Rest(base, settings.splunk_token, of_settings(settings).tls)
    try:
        info, date = rest.get("/services/server/info")
    except (NoAnswer, Refused) as failure:
        yield _unreachable(base, failure)
        return
    yield ok("splunk", f"{rest.base} is {info.get('serverName', 'a')} Splunk {info.get('version', '?')}")
    yield from clock(date)
    for check in (rights, apps, limits, owners, stanzas, addresses):
        try:
            yield from check(rest, settings)
        except Refused as failure:
            yield warning(check.__name__, failure.sentence, "The token's user may not read this; ask an administrator.")


def _unreachable(base: str, failure: NoAnswer | Refused) -> Finding:
    if isinstance(failure, Refused) and failure.status == 401:
        advice = "Create a new token in Splunk (Settings, Tokens), and set splunk_access_token to it."
        return error("splunk", f"{base} refuses the token", advice)
    cause = failure.cause if isinstance(failure, NoAnswer) else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        advice = "Set DLTK_SPLUNK_CAFILE to the authority's certificate, or DLTK_SPLUNK_VERIFY=false."
        return error("splunk", f"the certificate of {base} is not trusted: {cause.verify_message}", advice)
    advice = "Check splunk_access_host and _port (8089, not 8000), DNS, and firewalls."
    return error("splunk", failure.sentence, advice)


def clock(date: str) -> Iterator[Finding]:
    """Check that both clocks agree; `date` is the Date header of an answer."""
    try:
        skew = abs(email.utils.parsedate_to_datetime(date).timestamp() - time.time())
    except (TypeError, ValueError):
        yield skipped("clock", "Splunk's answer has no date to compare with")
        return
    text = f"this clock and Splunk's differ by {skew:.0f} s"
    yield ok("clock", text) if skew < MAX_CLOCK_SKEW_SECONDS else warning("clock", text, "Synchronise both with NTP.")


def rights(rest: Rest, _: Settings) -> Iterator[Finding]:
    """Report the token's user and roles, and check that the user may search."""
    user, _date = rest.get("/services/authentication/current-context")
    who = f"the token belongs to {user.get('username', '?')}, roles: {', '.join(user.get('roles', [])) or 'none'}"
    if "search" in user.get("capabilities", []):
        yield ok("rights", who)
    else:
        advice = "Give a role of this user the capability search, or create the token for another user."
        yield warning("rights", f"{who}; none of them may search", advice)


def apps(rest: Rest, _: Settings) -> Iterator[Finding]:
    """Check that the apps for `fit` and `apply` are installed, enabled and shared."""
    there = {str(each["name"]): each for each in rest.entries("/services/apps/local")[0]}
    toolkit = str(there.get(TOOLKIT.app, {}).get("version", ""))
    for folder, title in APPS.items():
        app = there.get(folder)
        if app is None and folder == DSDL.app and calls_containers(toolkit):
            yield ok("apps", f"{title} ({folder}) is not installed: the AI Toolkit {toolkit} calls containers itself")
        elif app is None:
            yield error("apps", f"{title} ({folder}) is not installed", "Install it on the search head.")
        elif booleans.parse_conf(app.get("disabled")):
            yield error("apps", f"{title} ({folder}) is disabled", "Enable it under Apps, Manage Apps.")
        elif folder != "Splunk_SA_Scientific_Python_linux_x86_64" and app["acl"].get("sharing") != "global":
            text = f"{title} {app.get('version', '')} is shared as {app['acl'].get('sharing', 'unknown')}"
            advice = "Share it globally (Manage Apps, Permissions), or run the searches in its own app."
            yield warning("apps", text, advice)
        else:
            yield ok("apps", f"{title} {app.get('version', '')}")


def limits(rest: Rest, _: Settings) -> Iterator[Finding]:
    """Report the AI Toolkit's limits of a fit: seconds and rows."""
    path = "/servicesNS/nobody/Splunk_ML_Toolkit/configs/conf-mlspl/"
    found: dict[str, Any] = {}
    for stanza in ("default", "MLTKContainer"):
        try:
            found |= rest.get(path + stanza)[0]
        except Refused as failure:
            if failure.status != 404:
                raise
    seconds, rows = (str(found.get(name, "?")) for name in LIMITS)
    text = f"a fit may take {seconds} s (max_fit_time) and {rows} rows (max_inputs); more rows are sampled"
    if seconds.isdigit() and 0 < int(seconds) <= 600:
        advice = (
            "For longer fits: mode=async in the search, or a higher max_fit_time in mlspl.conf, stanza [MLTKContainer]."
        )
        yield warning("limits", text, advice)
    else:
        yield ok("limits", text)
