"""Checks of Splunk: REST API, clock, permissions, apps, limits, stanza on each member."""

from __future__ import annotations

import email.utils
import socket
import ssl
import time
import urllib.parse
from collections.abc import Iterator
from functools import partial
from typing import Any

from dltk_runtime import booleans
from dltk_runtime.doctor.finding import Finding, error, ok, skipped, warning
from dltk_runtime.doctor.owners import owners
from dltk_runtime.doctor.rest import ANSWER_SECONDS, NoAnswer, Refused, Rest, checking_client
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.access import of_settings
from dltk_runtime.tls import client_context, pinned_context

MAX_CLOCK_SKEW_SECONDS = 60  # above it tokens and time ranges may fail
DSDL = "mltk-container"
APPS = {  # title of each app by its folder
    "Splunk_ML_Toolkit": "AI Toolkit (Machine Learning Toolkit)",
    "Splunk_SA_Scientific_Python_linux_x86_64": "Python for Scientific Computing",
    DSDL: "Splunk App for Data Science and Deep Learning",
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
    for check in (rights, apps, limits, owners, stanzas):
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
    for folder, title in APPS.items():
        app = there.get(folder)
        if app is None:
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


def stanzas(rest: Rest, _: Settings) -> Iterator[Finding]:
    """Check that all members of a cluster have a stanza for the same container."""
    path = f"/servicesNS/nobody/{DSDL}/configs/conf-containers/__dev__"
    advice = f"Copy the stanza of deploy/splunk/containers.conf to etc/apps/{DSDL}/local on the search head."
    addresses: dict[str, str] = {}
    for member in (rest, *_members(rest)):
        try:
            addresses[member.base] = str(member.get(path)[0].get("api_url", ""))
        except (NoAnswer, Refused) as failure:
            addresses[member.base] = ""
            yield error("stanzas", f"no stanza [__dev__] in containers.conf: {failure}", advice)
    called = set(filter(None, addresses.values()))
    if len(called) > 1:
        shown = ", ".join(f"{member}: {address}" for member, address in addresses.items())
        yield error("stanzas", f"the members call different containers: {shown}", "Push one stanza to all members.")
    for address in sorted(called):
        yield from _called(address)


def _called(address: str) -> Iterator[Finding]:
    url = urllib.parse.urlsplit(address)
    if url.scheme not in {"http", "https"} or not url.hostname:
        yield error("stanzas", f"api_url = {address} is not a valid address", "Write it as https://host:5000.")
        return
    client = checking_client(partial(client_context, verify=False))  # the search head's authorities are unknown here
    try:
        status = client.request("GET", f"{address.rstrip('/')}/readyz", {}).status
        unfit = _unfit(url.hostname, url.port or 443) if url.scheme == "https" else ""
    except (NoAnswer, OSError) as failure:
        cause = failure.cause if isinstance(failure, NoAnswer) else failure
        text = f"the container that Splunk calls, {address}, cannot be reached from here: {cause}"
        yield warning("stanzas", text, "Check host, port and scheme, if possible on the search head itself.")
        return
    if status == 200:
        yield ok("stanzas", f"Splunk calls {address}, and a server is ready there")
    else:
        yield error("stanzas", f"Splunk calls {address}, which answers with HTTP {status}", "Correct api_url.")
    if unfit:
        advice = "Use a certificate for the host of api_url; where Splunk checks certificates, searches fail."
        yield warning("stanzas", f"the certificate that {address} serves does not fit: {unfit}", advice)


def _unfit(host: str, port: int) -> str:
    """Return what is wrong with host name or dates of a server's certificate, or an empty text."""
    pinned = pinned_context(ssl.get_server_certificate((host, port), timeout=ANSWER_SECONDS))
    try:
        with (
            socket.create_connection((host, port), ANSWER_SECONDS) as plain,
            pinned.wrap_socket(plain, server_hostname=host),
        ):
            return ""
    except ssl.SSLCertVerificationError as failure:
        return failure.verify_message


def _members(rest: Rest) -> list[Rest]:
    """Return the other members of a search head cluster; an empty list without a cluster."""
    try:
        entries, _ = rest.entries("/services/shcluster/member/members")
    except Refused:
        return []
    found = {str(each.get("mgmt_uri", "")) for each in entries} - {"", rest.base}
    return [Rest(base, rest.token, rest.tls) for base in sorted(found)]
