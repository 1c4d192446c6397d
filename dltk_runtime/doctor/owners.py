"""Check the capabilities of the users who own scheduled searches that call the container.

The AI Toolkit looks up capabilities by the owner's name and reads the container's token with the
owner's permissions, not those of the user who is logged in. If one is missing, the search fails or
its rows get no predictions.
"""

from __future__ import annotations

import contextlib
import re
import urllib.parse
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dltk_runtime import booleans
from dltk_runtime.doctor.finding import Finding, error, ok, skipped, warning
from dltk_runtime.doctor.rest import Refused, Rest
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.grammar import CONTAINERS
from dltk_runtime.emulator.spl.macros import Macro, expand
from dltk_runtime.flows.rights import CONTAINER_CAPABILITIES, SCHEDULE_CAPABILITY, SPLUNK_CAPABILITIES
from dltk_runtime.names import STATUS
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore
from dltk_runtime.texts import listed

TOOLKIT_CAPABILITIES = {"fit_mltkcontainer", "apply_mltkcontainer"}  # of AI Toolkit 5.7 and newer
MAX_LISTED_SEARCHES = 3  # in one finding

# A command and its arguments up to the next pipe or bracket outside quotes; a quote may be unclosed.
_COMMAND = re.compile(r"""(?:^|[|\[\]])\s*+(\w*+)\s*+((?:"(?:\\.|[^"\\])*+(?:"|\\?\Z)|[^|\[\]"])*+)""", re.DOTALL)
_COMMENT = re.compile(r"```.*?```", re.DOTALL)
_INTO = re.compile(r"\binto\s+\"?(?:app:|user:)?(\w+)")
_MODEL = re.compile(r"\"?(?:app:|user:)?(\w+)")


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A saved search: owner, commands and their arguments, with macros expanded."""

    name: str
    owner: str
    scheduled: bool  # and not disabled
    commands: tuple[tuple[str, str], ...]

    def fitted(self) -> Iterator[str]:
        """Yield the models that the search fits in a container.

        The name is empty for a fit without ``into``.
        """
        for command, arguments in self.commands:
            if command == "fit" and arguments.partition(" ")[0].strip('"') in CONTAINERS:
                yield found[1] if (found := _INTO.search(arguments)) else ""

    def needs(self, ours: set[str]) -> set[str]:
        """Return the needed capabilities; none if the search does not call the container.

        Args:
            ours: names of the container's models.
        """
        applied = {found[1] for name, text in self.commands if name == "apply" and (found := _MODEL.match(text))}
        called = [name for name, used in (("fit", any(True for _ in self.fitted())), ("apply", applied & ours)) if used]
        if not called:
            return set()
        others = {name for name, _ in self.commands} - {"fit", "apply"}
        needed = [SPLUNK_CAPABILITIES[name] for name in (*others, *called) if name in SPLUNK_CAPABILITIES]
        return {SCHEDULE_CAPABILITY}.union(*needed, *(CONTAINER_CAPABILITIES[name] for name in called))


def owners(rest: Rest, settings: Settings) -> Iterator[Finding]:
    """Check that the owners of scheduled searches have the capabilities to call the container.

    It covers the enabled searches that the token's user may read.
    """
    calling = _calling(saved_searches(rest), settings)
    if not calling:
        yield skipped("owners", "no scheduled search that the token's user may read calls the container")
        return
    roles = _roles(rest)
    known = set().union(*roles.values())
    for owner, needed in sorted(calling.items()):
        # Older releases of the AI Toolkit lack these capabilities, and then no role has them.
        asked = {name: needs - (TOOLKIT_CAPABILITIES - known) for name, needs in needed.items()}
        yield _judged(rest, owner, asked, roles)


def our_models(searches: list[SavedSearch], settings: Settings) -> set[str]:
    """Return the models that a search fits in a container, and those of this machine's store."""
    stored = ModelStore.open(settings.paths, settings.keep_versions).models()
    return {model for search in searches for model in search.fitted()} | {name.model for name in stored}


def _calling(searches: list[SavedSearch], settings: Settings) -> dict[str, dict[str, set[str]]]:
    """Return the needed capabilities by owner and by scheduled search."""
    ours = our_models(searches, settings) | {STATUS}
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for search in searches:
        if search.scheduled and (needs := search.needs(ours)):
            found[search.owner][search.name] |= needs  # two apps may have a search with the same name
    return found


def _judged(rest: Rest, owner: str, needed: Mapping[str, set[str]], roles: Mapping[str, set[str]]) -> Finding:
    theirs = f"of {owner}: {listed(needed, MAX_LISTED_SEARCHES)}"
    if owner == "nobody":
        advice = (
            "Assign them to a service account: POST …/saved/searches/<name>/acl owner=<account> sharing=app. The AI "
            "Toolkit checks the owner's capabilities, and Splunk has no user nobody."
        )
        return warning("owners", f"searches {theirs}: no user has that name, so it has no capabilities", advice)
    user = user_of(rest, owner)
    if user is None:
        advice = "Assign them to an existing user: Settings, All configurations, Reassign Knowledge Objects."
        return error("owners", f"searches {theirs}: Splunk has no user of that name, so they never run", advice)
    has = set().union(*(roles.get(role, set()) for role in user.get("roles", [])))
    lacking = {name: needs - has for name, needs in needed.items() if needs - has}
    if not lacking:
        return ok("owners", f"searches {theirs}: the owner has all needed capabilities")
    missing = ", ".join(sorted(set().union(*lacking.values())))
    advice = f"Give {owner} a role with them; the apps of dltk flow contain one, dltk_<flow>_runner."
    return error("owners", f"searches of {owner} lack {missing}: {listed(lacking, MAX_LISTED_SEARCHES)}", advice)


def user_of(rest: Rest, name: str) -> dict[str, Any] | None:
    """Return the entry of a user; None when Splunk has none of that name."""
    try:
        return rest.get(f"/services/authentication/users/{urllib.parse.quote(name, safe='')}")[0]
    except Refused as failure:
        if failure.status != 404:
            raise
        return None


def _roles(rest: Rest) -> dict[str, set[str]]:
    """Return the capabilities of each role, inherited ones included."""
    entries, _ = rest.entries("/services/authorization/roles")
    kinds = ("capabilities", "imported_capabilities")
    return {str(each["name"]): {name for kind in kinds for name in each.get(kind) or []} for each in entries}


def saved_searches(rest: Rest) -> list[SavedSearch]:
    """Return the saved searches of all apps and users."""
    macros = macros_of(rest)
    return [
        SavedSearch(
            name=str(each["name"]),
            owner=str(each["acl"].get("owner", "nobody")),
            scheduled=booleans.parse_conf(each.get("is_scheduled")) and not booleans.parse_conf(each.get("disabled")),
            commands=_commands(each, macros),
        )
        for each in rest.entries("/servicesNS/-/-/saved/searches")[0]
    ]


def _commands(entry: Mapping[str, Any], macros: Mapping[str, dict[str, Macro]]) -> tuple[tuple[str, str], ...]:
    text = str(entry.get("search", ""))
    with contextlib.suppress(SearchInvalid):  # a macro that expands to itself: Splunk refuses the search
        text = expand(text, macros[""] | macros.get(str(entry["acl"].get("app")), {}), unknown="keep")
    return tuple((name.lower(), arguments) for name, arguments in _COMMAND.findall(_COMMENT.sub(" ", text)))


def macros_of(rest: Rest) -> dict[str, dict[str, Macro]]:
    """Return the macros by app; those shared with all apps have the empty name."""
    found: dict[str, dict[str, Macro]] = {"": {}}
    for each in rest.entries("/servicesNS/-/-/configs/conf-macros")[0]:
        arguments = tuple(word.strip() for word in str(each.get("args") or "").split(",") if word.strip())
        app = "" if each["acl"].get("sharing") in {"global", "system"} else str(each["acl"].get("app"))
        found.setdefault(app, {})[str(each["name"])] = Macro(arguments, str(each.get("definition", "")))
    return found
