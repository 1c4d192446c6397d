"""Check over REST that every member of a cluster has stanzas for the same container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dltk_runtime.doctor.called import called
from dltk_runtime.doctor.clients import CONNECTIONS, DSDL, FALLBACK, TOOLKIT, Client, Stanza, incomplete
from dltk_runtime.doctor.finding import Finding, error
from dltk_runtime.doctor.rest import NoAnswer, Refused, Rest
from dltk_runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class StanzasRead:
    """What one member has of one client's files; without stanzas `failure` says why."""

    stanzas: Mapping[str, Stanza]
    connections: Mapping[str, Stanza]
    failure: str = ""


def stanzas(rest: Rest, _: Settings) -> Iterator[Finding]:
    """Check the stanzas of the client in use, DSDL's or the AI Toolkit's, on all members."""
    members = [rest, *members_of(rest)]
    used = [client for client in (DSDL, TOOLKIT) if read(rest, client).stanzas]
    if not used:
        text = (
            f"no stanza [{FALLBACK}] in {DSDL.file}.conf of {DSDL.app}, and none in {TOOLKIT.file}.conf of "
            f"{TOOLKIT.app} (AI Toolkit 5.7 and later)"
        )
        yield error("stanzas", text, f"For DSDL: {DSDL.advice} For the AI Toolkit: {TOOLKIT.advice}")
    for client in used:
        yield from _compared(members, client)


def _compared(members: list[Rest], client: Client) -> Iterator[Finding]:
    addresses: dict[str, dict[str, str]] = {}
    for member in members:
        found = read(member, client)
        if found.failure:
            text = f"no stanza [{FALLBACK}] in {client.file}.conf: {found.failure}"
            yield error("stanzas", text, client.advice)
        for name, stanza in found.stanzas.items():
            yield from incomplete(client, name, stanza, found.connections, member.base)
        addresses[member.base] = {name: stanza["api_url"] for name, stanza in found.stanzas.items()}
    present = {member: each for member, each in addresses.items() if each}
    if len({tuple(sorted(each.items())) for each in present.values()}) > 1:
        shown = ", ".join(f"{member}: {_line(each)}" for member, each in present.items())
        yield error("stanzas", f"the members call different containers: {shown}", "Push one stanza to all members.")
    for address in sorted({url for each in addresses.values() for url in each.values()}):
        if address.startswith(("http://", "https://")):
            yield from called(address)


def _line(addresses: Mapping[str, str]) -> str:
    return " ".join(f"[{name}] {url}" for name, url in sorted(addresses.items()))


def read(rest: Rest, client: Client) -> StanzasRead:
    """Read the stanzas of one client on one member; what fails is said in the result."""
    try:
        known = _conf(rest, client.app, client.file)
        stanzas = {name: stanza for name, stanza in known.items() if stanza.get("api_url")}  # others are not set up
        if not stanzas:
            return StanzasRead({}, {}, f"{rest.base} has none with an api_url")
        return StanzasRead(stanzas, _conf(rest, client.app, CONNECTIONS) if client is TOOLKIT else {})
    except (NoAnswer, Refused) as failure:
        return StanzasRead({}, {}, failure.sentence)


def _conf(rest: Rest, app: str, file: str) -> dict[str, Stanza]:
    """Return the stanzas of a conf file, none where the file is unknown.

    Raises:
        NoAnswer, Refused: as `Rest.entries`.
    """
    try:
        entries, _ = rest.entries(f"/servicesNS/nobody/{app}/configs/conf-{file}")
    except Refused as failure:
        if failure.status != 404:
            raise
        return {}
    texts = {str(each["name"]): {key: str(value) for key, value in each.items()} for each in entries}
    return {name: stanza for name, stanza in texts.items() if name != "default"}


def members_of(rest: Rest) -> list[Rest]:
    """Return the other members of a search head cluster; an empty list without a cluster."""
    try:
        entries, _ = rest.entries("/services/shcluster/member/members")
    except Refused:
        return []
    found = {str(each.get("mgmt_uri", "")) for each in entries} - {"", rest.base}
    return [Rest(base, rest.token, rest.tls) for base in sorted(found)]
