"""A search head as the examination asks it: entries of REST, rows of searches, people and their roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from dltk_runtime.doctor.owners import user_of
from dltk_runtime.doctor.rest import Rest
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.search import Search

ROLES = "/services/authorization/roles"
USERS = "/services/authentication/users"
MAX_SECONDS = 120.0  # of one search
EVERYTHING = "admin_all_objects"  # the capability whose owner needs no access to objects


@dataclass(frozen=True, slots=True)
class Person:
    """A user with the roles given to them and inherited, and what these may do."""

    name: str
    roles: frozenset[str]
    capabilities: frozenset[str]
    indexes: frozenset[str]  # patterns of srchIndexesAllowed

    def searches(self, index: str) -> bool:
        """Return whether they may search an index; ``*`` leaves out those that begin with ``_``."""
        patterns = [each for each in self.indexes if index.startswith("_") <= each.startswith("_")]
        return any(fnmatchcase(index, each) for each in patterns)

    def may(self, right: str, entry: Mapping[str, Any], app: Mapping[str, Any]) -> bool:
        """Return whether they have a right, ``read`` or ``write``, on an object of an app.

        An object without rights of its own has those of its app.
        """
        acl = entry["acl"]
        if EVERYTHING in self.capabilities or acl.get("owner") == self.name:
            return True
        perms = acl.get("perms") or app["acl"].get("perms") or {}
        allowed = set(perms.get(right) or ())
        return "*" in allowed or bool(allowed & self.roles)


@dataclass(frozen=True)
class SearchHead:
    """One search head, asked as the owner of one token; nothing is written."""

    rest: Rest
    connection: Connection

    def rows(self, search: str, earliest: str, latest: str) -> list[Mapping[str, str]]:
        """Return the rows of a search."""
        found = Search(search, earliest, latest, self.connection, MAX_SECONDS).rows()
        return [{key: str(value) for key, value in row.items()} for row in found]

    @cached_property
    def me(self) -> Person:
        """The token's user."""
        found = self.rest.get("/services/authentication/current-context")[0]
        return self._person(str(found.get("username", "?")), found)

    def person(self, name: str) -> Person | None:
        """Return a user; None when there is none of that name."""
        found = user_of(self.rest, name)
        return None if found is None else self._person(name, found)

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """Every capability that some role has."""
        return frozenset().union(*(_listed(each, "capabilities") for each in self._roles.values()))

    @cached_property
    def _roles(self) -> dict[str, Mapping[str, Any]]:
        return {str(each["name"]): each for each in self.rest.entries(ROLES)[0]}

    def _person(self, name: str, user: Mapping[str, Any]) -> Person:
        roles = self._inherited(frozenset(user.get("roles") or ()))
        entries = [self._roles[role] for role in roles if role in self._roles]
        capabilities = frozenset().union(*(_listed(each, "capabilities") for each in entries))
        indexes = frozenset().union(*(_listed(each, "srchIndexesAllowed") for each in entries))
        return Person(name, roles, capabilities | frozenset(user.get("capabilities") or ()), indexes)

    def _inherited(self, roles: frozenset[str]) -> frozenset[str]:
        """Return the roles with those that they import, and so on."""
        found: set[str] = set()
        waiting = set(roles)
        while waiting:
            role = waiting.pop()
            found.add(role)
            waiting |= set(self._roles.get(role, {}).get("imported_roles") or ()) - found
        return frozenset(found)


def _listed(role: Mapping[str, Any], key: str) -> frozenset[str]:
    """Return a role's list, with what it imports."""
    return frozenset(role.get(key) or ()) | frozenset(role.get(f"imported_{key}") or ())
