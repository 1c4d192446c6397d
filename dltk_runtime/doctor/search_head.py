"""The doctor's checks of Splunk: REST, apps, limits, and the container's stanza on every search head."""

from __future__ import annotations

import email.utils
import socket
import ssl
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

from dltk_runtime import booleans
from dltk_runtime.doctor.finding import Finding, error, ok, skipped, warning
from dltk_runtime.doctor.owners import owners
from dltk_runtime.doctor.rest import SECONDS, Refused, Rest, context_of, send
from dltk_runtime.settings import Settings

SKEW = 60  # seconds that two clocks may differ before tokens and time ranges go wrong
DSDL = "mltk-container"
APPS = {  # the app's folder, and what it is called
    "Splunk_ML_Toolkit": "AI Toolkit (Machine Learning Toolkit)",
    "Splunk_SA_Scientific_Python_linux_x86_64": "Python for Scientific Computing",
    DSDL: "Splunk App for Data Science and Deep Learning",
}
LIMITS = ("max_fit_time", "max_inputs")


def splunk(settings: Settings) -> Iterator[Finding]:
    """Everything that Splunk's REST API tells about the search head's side."""
    if not settings.splunk_access:
        advice = "Set splunk_access_enabled=1, splunk_access_host, _port and _token to have Splunk's side checked."
        yield skipped("splunk", "no connection to Splunk's REST API is set up", advice)
        return
    if not settings.splunk_host or not settings.splunk_token:
        yield error("splunk", "splunk_access_host or splunk_access_token is missing", "Set both.")
        return
    rest = Rest(f"https://{settings.splunk_host}:{settings.splunk_port}", settings.splunk_token, context_of(settings))
    try:
        info, date = rest.get("/services/server/info")
    except (OSError, Refused) as failure:
        yield _unreachable(rest.base, failure)
        return
    yield ok("splunk", f"{rest.base} is {info.get('serverName', 'a')} Splunk {info.get('version', '?')}")
    yield from clock(date)
    for look in (rights, apps, limits, owners, stanzas):
        try:
            yield from look(rest, settings)
        except Refused as failure:
            yield warning(look.__name__, failure.sentence, "The token's user may not read this; ask an administrator.")


def _unreachable(base: str, failure: Exception) -> Finding:
    if isinstance(failure, Refused) and failure.status == 401:
        advice = "Make a new token in Splunk (Settings, Tokens), and set splunk_access_token to it."
        return error("splunk", f"{base} refuses the token", advice)
    cause = getattr(failure, "reason", failure)
    if isinstance(cause, ssl.SSLCertVerificationError):
        advice = "Let DLTK_SPLUNK_CAFILE name the authority's certificate, or set DLTK_SPLUNK_VERIFY=false."
        return error("splunk", f"the certificate of {base} is not trusted: {cause.verify_message}", advice)
    advice = "Check splunk_access_host and _port (8089, not 8000), the name in DNS, and firewalls between."
    return error("splunk", f"{base} cannot be reached: {cause}", advice)


def clock(date: str) -> Iterator[Finding]:
    """Whether both clocks agree: tokens have times, and so have searches."""
    try:
        skew = abs(email.utils.parsedate_to_datetime(date).timestamp() - time.time())
    except (TypeError, ValueError):
        yield skipped("clock", "Splunk's answer carries no date to compare with")
        return
    text = f"this clock and Splunk's differ by {skew:.0f} s"
    yield ok("clock", text) if skew < SKEW else warning("clock", text, "Synchronise both with NTP.")


def rights(rest: Rest, _: Settings) -> Iterator[Finding]:
    """Who the token's user is, and whether that user may search, as notebooks do with this token."""
    user, _date = rest.get("/services/authentication/current-context")
    who = f"the token is {user.get('username', '?')}'s, with the roles {', '.join(user.get('roles', [])) or 'none'}"
    if "search" in user.get("capabilities", []):
        yield ok("rights", who)
    else:
        advice = "Give a role of this user the capability search, or make the token for another user."
        yield warning("rights", f"{who}; none of them may search", advice)


def apps(rest: Rest, _: Settings) -> Iterator[Finding]:
    """Whether the apps that `fit` and `apply` need are there, on, and visible from other apps."""
    there = {str(each["name"]): each for each in rest.entries("/services/apps/local")[0]}
    for folder, title in APPS.items():
        app = there.get(folder)
        if app is None:
            yield error("apps", f"{title} ({folder}) is not installed", "Install it on the search head.")
        elif booleans.parse_conf(app.get("disabled")):
            yield error("apps", f"{title} ({folder}) is switched off", "Enable it under Apps, Manage Apps.")
        elif folder != "Splunk_SA_Scientific_Python_linux_x86_64" and app["acl"].get("sharing") != "global":
            text = f"{title} {app.get('version', '')} is shared as {app['acl'].get('sharing', 'unknown')}"
            advice = "Share it globally (Manage Apps, Permissions), or run the searches in its own app."
            yield warning("apps", text, advice)
        else:
            yield ok("apps", f"{title} {app.get('version', '')}")


def limits(rest: Rest, _: Settings) -> Iterator[Finding]:
    """What the AI Toolkit lets a fit take."""
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
            "Longer fits: mode=async in the search, or a higher max_fit_time in mlspl.conf, stanza [MLTKContainer]."
        )
        yield warning("limits", text, advice)
    else:
        yield ok("limits", text)


def stanzas(rest: Rest, _: Settings) -> Iterator[Finding]:
    """Whether the app knows a container, and every member of a cluster the same one."""
    path = f"/servicesNS/nobody/{DSDL}/configs/conf-containers/__dev__"
    advice = f"Put the stanza of deploy/splunk/containers.conf into etc/apps/{DSDL}/local on the search head."
    addresses: dict[str, str] = {}
    for member in (rest, *_members(rest)):
        try:
            addresses[member.base] = str(member.get(path)[0].get("api_url", ""))
        except (OSError, Refused) as failure:
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
        yield error("stanzas", f"api_url = {address} is no address", "Write it as https://host:5000.")
        return
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # what the search head trusts is not seen here
    try:
        status, _, _ = send(f"{address.rstrip('/')}/readyz", {}, context)
        unfit = _unfit(url.hostname, url.port or 443) if url.scheme == "https" else ""
    except OSError as failure:
        text = f"the container that Splunk calls, {address}, cannot be reached from here: {failure}"
        yield warning("stanzas", text, "Check name, port and scheme, best from the search head itself.")
        return
    if status == 200:
        yield ok("stanzas", f"Splunk calls {address}, and a server is ready there")
    else:
        yield error("stanzas", f"Splunk calls {address}, which answers with HTTP {status}", "Correct api_url.")
    if unfit:
        advice = "Have one issued for the name that api_url calls; where Splunk checks names, its searches fail."
        yield warning("stanzas", f"the certificate that {address} serves does not fit: {unfit}", advice)


def _unfit(host: str, port: int) -> str:
    """What is wrong with the name or the dates of a server's certificate, whoever issued it; nothing when it fits."""
    trusting = ssl.create_default_context(cadata=ssl.get_server_certificate((host, port), timeout=SECONDS))
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself, and no authority above it
    try:
        with (
            socket.create_connection((host, port), SECONDS) as plain,
            trusting.wrap_socket(plain, server_hostname=host),
        ):
            return ""
    except ssl.SSLCertVerificationError as failure:
        return failure.verify_message


def _members(rest: Rest) -> list[Rest]:
    """The other members of a search head cluster; none where there is no cluster."""
    try:
        entries, _ = rest.entries("/services/shcluster/member/members")
    except Refused:
        return []
    found = {str(each.get("mgmt_uri", "")) for each in entries} - {"", rest.base}
    return [Rest(base, rest.token, rest.context) for base in sorted(found)]
