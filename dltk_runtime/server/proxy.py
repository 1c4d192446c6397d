"""Who a request is from, as a proxy says that has signed the person in.

The header counts on connections from listed addresses alone: anybody else could write it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Self

from starlette.requests import Request

from dltk_runtime.access.actor import MAX_PERSON_CHARACTERS, one_line
from dltk_runtime.access.file import PROXY_NAME
from dltk_runtime.access.holder import ALL_RIGHTS, Holder, Right
from dltk_runtime.settings import Settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NAME = PROXY_NAME


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of one server: their networks, the header with the person's name, what such a person may do."""

    networks: tuple[Network, ...] = ()
    header: str = ""
    rights: frozenset[Right] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return those that the settings name."""
        rights = frozenset(map(Right, settings.proxy_rights))
        networks = tuple(ipaddress.ip_network(each) for each in settings.proxy_addresses)
        return cls(networks, settings.proxy_header, ALL_RIGHTS if Right.ADMIN in rights else rights | {Right.READ})

    @property
    def holder(self) -> Holder:
        """What people may do in the console who are signed in by a proxy."""
        return Holder(NAME, self.rights)

    def person(self, request: Request) -> str:
        """Return the name of the person that a request is from; empty if no proxy says it."""
        if not self.networks or request.client is None or not self._trusts(request.client.host):
            return ""
        given = request.headers.getlist(self.header)
        return one_line(given[0], MAX_PERSON_CHARACTERS) if len(given) == 1 else ""

    def _trusts(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in network for network in self.networks)
