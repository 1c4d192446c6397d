"""The two clients on a search head, and what each reads about its container (protocol 3 and 6).

=================  ==============================================  =====================================
client             app                                             files
=================  ==============================================  =====================================
`DSDL`             ``mltk-container``                              ``containers.conf``
`TOOLKIT`          ``Splunk_ML_Toolkit``, from 5.7 on              ``dsdl_container.conf`` and
                                                                   ``container_connections.conf``
=================  ==============================================  =====================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dltk_runtime.doctor.finding import Finding, error

FALLBACK = "__dev__"  # the stanza of every model that has none of its own
CONNECTIONS = "container_connections"
FIRST_TOOLKIT = (5, 7)  # the first release that calls containers without the DSDL app

Stanza = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Client:
    """One of Splunk's apps that call a container: its folder, and the file that names the container."""

    title: str
    app: str
    file: str  # without .conf

    @property
    def advice(self) -> str:
        """The next step where a stanza is missing."""
        return f"Copy the stanza of deploy/splunk/{self.file}.conf to etc/apps/{self.app}/local on the search head."


DSDL = Client("Splunk App for Data Science and Deep Learning", "mltk-container", "containers")
TOOLKIT = Client("AI Toolkit (Machine Learning Toolkit)", "Splunk_ML_Toolkit", "dsdl_container")


def calls_containers(version: str) -> bool:
    """Return whether this release of the AI Toolkit calls containers itself."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return numbers >= FIRST_TOOLKIT


def incomplete(
    client: Client, name: str, stanza: Stanza, connections: Mapping[str, Stanza], where: str
) -> Iterator[Finding]:
    """Yield what is missing in a stanza, and for `TOOLKIT` in the section of its cluster.

    Args:
        name: of the stanza.
        connections: the sections of ``container_connections.conf``.
        where: which search head or folder has it.
    """
    place = f"[{name}] in {client.file}.conf of {where}"
    url = stanza.get("api_url", "")
    if not re.match(r"https?://[^/\s]", url):
        yield error("stanzas", f"api_url = {url} is not a valid address: {place}", "Write it as https://host:5000.")
    if client is not TOOLKIT:
        return
    cluster = stanza.get("cluster", "")
    if not cluster:
        yield error("stanzas", f"cluster is missing: {place}", "Set it to docker or kubernetes.")
    elif cluster not in connections:
        text = (
            f"no section [{cluster}] in {CONNECTIONS}.conf of {where}, so that each call ends with 'Missing "
            f"configuration section for cluster type: {cluster}'"
        )
        advice = f"Copy deploy/splunk/{CONNECTIONS}.conf to etc/apps/{client.app}/local, its section named [{cluster}]."
        yield error("stanzas", text, advice)
