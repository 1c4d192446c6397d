"""Users, roles, and what a search head says of itself.

The names of fields are those of Splunk's REST API reference (``authorization/roles``,
``authentication/users``, ``server/status/limits/search-concurrency``,
``server/introspection/kvstore/collectionstats``); of a statistic there is a recorded sample: a list
of JSON texts with ``ns``, which is app and collection with a dot between them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dltk_runtime import booleans
from tests.splunkd.answers import Answer, Entry, Refusal, Request, decoded, feed

if TYPE_CHECKING:
    from tests.splunkd.server import Splunkd

AUTHORIZE = "configs/conf-authorize"
ADMIN = {
    "capabilities": ["admin_all_objects", "search", "schedule_search", "list_storage_passwords"],
    "srchIndexesAllowed": ["*", "_*"],
}
_NO_CAPABILITIES = ("srch", "importRoles", "cumulative")  # how settings of a role begin that are none
_IMPORTED = ("capabilities", "srchIndexesAllowed")


@dataclass
class Head:
    """What a test may change of the search head."""

    cores: int = 4
    scheduled_at_once: int | None = 5  # None: an older one, without the endpoint
    closed: set[str] = field(default_factory=set)  # indexes that are disabled
    hidden: set[str] = field(default_factory=set)  # endpoints that the token's user may not read


def answer(request: Request, splunkd: Splunkd) -> Answer | None:
    """What splunkd says of these endpoints; None for another request."""
    path = request.path.strip("/")
    if path in splunkd.head.hidden:
        raise Refusal(403, "You do not have the capability")
    if request.method != "GET":
        return None
    match path.split("/"):
        case ["authentication", "current-context"]:
            return feed(request, [_user("admin", splunkd, username="admin")])
        case ["authentication", "users"]:
            return feed(request, [_user(name, splunkd) for name in splunkd.users])
        case ["authentication", "users", name]:
            if decoded(name) not in splunkd.users:
                raise Refusal(404, f"Could not find object id={decoded(name)}")
            return feed(request, [_user(decoded(name), splunkd)])
        case ["authorization", "roles"]:
            return feed(request, [Entry(name, each, f"{path}/{name}") for name, each in roles(splunkd).items()])
        case ["server", "status", "limits", "search-concurrency"]:
            return feed(request, [_concurrency(splunkd.head, path)])
        case ["server", "introspection", "kvstore", "collectionstats"]:
            return feed(request, [Entry("collectionstats", {"data": list(_statistics(splunkd))}, path)])
    return None


def roles(splunkd: Splunkd) -> dict[str, dict[str, Any]]:
    """The roles of all apps, and admin."""
    found: dict[str, dict[str, Any]] = {"admin": dict(ADMIN)}
    for app in splunkd.apps.values():
        for name, settings in app.objects(AUTHORIZE).items():
            found[name.removeprefix("role_")] = _role(settings)
    for role in found.values():
        given = [found[name] for name in role.get("imported_roles", []) if name in found]
        for key in _IMPORTED:
            role[f"imported_{key}"] = [each for one in given for each in one.get(key, [])]
    return found


def _role(settings: dict[str, str]) -> dict[str, Any]:
    able = [
        name for name, value in settings.items() if not name.startswith(_NO_CAPABILITIES) and booleans.parse_conf(value)
    ]
    indexes = [name.strip() for name in settings.get("srchIndexesAllowed", "").split(";") if name.strip()]
    imported = [name.strip() for name in settings.get("importRoles", "").split(";") if name.strip()]
    return {"capabilities": able, "srchIndexesAllowed": indexes, "imported_roles": imported}


def _user(name: str, splunkd: Splunkd, **more: str) -> Entry:
    given = splunkd.roles.get(name, [])
    known = roles(splunkd)
    able = sorted({each for role in given if role in known for each in known[role]["capabilities"]})
    return Entry(name, {"roles": given, "capabilities": able, **more}, f"authentication/users/{name}", "system")


def _concurrency(head: Head, path: str) -> Entry:
    if head.scheduled_at_once is None:
        raise Refusal(404, "Not Found")
    at_once = head.scheduled_at_once
    content = {"max_hist_searches": 2 * at_once, "max_hist_scheduled_searches": at_once}
    return Entry("search-concurrency", content, path)


def _statistics(splunkd: Splunkd) -> Iterator[str]:
    for app in splunkd.apps.values():
        for collection in app.kvstore:
            yield json.dumps({"ns": f"{app.name}.{collection.name}", "count": len(collection.query()), "size": 4096})
