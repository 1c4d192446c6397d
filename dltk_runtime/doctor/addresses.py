"""Say over REST at which address Splunk calls each model, on every member of a cluster.

Splunk looks the address up anew at each call: in the stanza with the model's name, else in
``[__dev__]``. What the model's stub says of it decides nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from dltk_runtime.doctor.clients import DSDL, FALLBACK, TOOLKIT, Client, Stanza
from dltk_runtime.doctor.finding import Finding, error, ok
from dltk_runtime.doctor.owners import our_models, saved_searches
from dltk_runtime.doctor.rest import Rest
from dltk_runtime.doctor.stanzas import members_of, read
from dltk_runtime.settings import Settings

CHECK = "addresses"
UNNAMED = "default"  # the model of a fit without into


def addresses(rest: Rest, settings: Settings) -> Iterator[Finding]:
    """Report the address of each known model, by member and by client.

    Known are the models with a stanza of their own on any member, those that a saved search fits in
    a container, and those of this machine's store.
    """
    found = {(client, at): read(at, client).stanzas for client in (DSDL, TOOLKIT) for at in (rest, *members_of(rest))}
    if not any(found.values()):
        return  # the check of the stanzas says so
    models = {name or UNNAMED for name in our_models(saved_searches(rest), settings)}
    models |= {name for stanzas in found.values() for name in stanzas} - {FALLBACK}
    for (client, member), stanzas in found.items():
        if stanzas:
            yield from _of_member(client, member.base, stanzas, models)


def _of_member(client: Client, member: str, stanzas: Mapping[str, Stanza], models: set[str]) -> Iterator[Finding]:
    place = f"{client.file}.conf of {member}"
    others = stanzas.get(FALLBACK, {}).get("api_url", "")
    by_address: dict[str, list[str]] = defaultdict(list)
    for model in sorted(models):
        by_address[stanzas.get(model, {}).get("api_url") or others].append(model)
    homeless = by_address.pop("", [])
    if others:
        by_address[others].append(f"every model without a stanza ([{FALLBACK}])")
    for address, names in by_address.items():
        yield ok(CHECK, f"{address} is called for {', '.join(names)}: {place}")
    if homeless:
        text = f"no address for {', '.join(homeless)}: neither a stanza of the model nor [{FALLBACK}] in {place}"
        yield error(CHECK, text, f"Their searches fail. {client.advice} 'dltk splunk stanza' prints it.")
