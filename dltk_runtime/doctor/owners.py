"""The doctor's check of who owns the scheduled searches that call the container, and what those users may do.

The AI Toolkit looks its capabilities up by the owner's name, and reads the container's token with the owner's rights;
who is logged in does not matter. A search that lacks one ends with an error, or leaves its rows without predictions.
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
from dltk_runtime.service.status import NAME as STATUS
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore

# What a command asks of the owner: of AI Toolkit 5.7, and of Splunk itself, whose role `user` has them.
CALLS = {"fit": "fit_mltkcontainer", "apply": "apply_mltkcontainer"}
WRITES = {"collect": "run_collect", "mcollect": "run_mcollect", "outputlookup": "output_file"}
READS = {"inputlookup": "input_file"}
CALLING = ("run_custom_command", "list_storage_passwords")  # the command itself, and the container's token
SCHEDULED = "schedule_search"
SHOWN = 3  # searches named in one finding

# A command and its arguments, from one pipe or bracket to the next; quotes hide both.
_COMMAND = re.compile(r"""(?:^|[|\[\]])\s*(\w*)\s*((?:"(?:\\.|[^"\\])*"|[^|\[\]"])*)""")
_COMMENT = re.compile(r"```.*?```", re.DOTALL)
_INTO = re.compile(r"\binto\s+\"?(?:app:|user:)?(\w+)")
_MODEL = re.compile(r"\"?(?:app:|user:)?(\w+)")


@dataclass(frozen=True, slots=True)
class Search:
    """A saved search of Splunk's: whose it is, and its commands with their arguments, macros put in."""

    name: str
    owner: str
    scheduled: bool  # and enabled
    commands: tuple[tuple[str, str], ...]

    def fitted(self) -> Iterator[str]:
        """The models that it has a container fit; an empty name for a fit without ``into``."""
        for command, arguments in self.commands:
            if command == "fit" and arguments.partition(" ")[0].strip('"') in CONTAINERS:
                yield found[1] if (found := _INTO.search(arguments)) else ""

    def needs(self, ours: set[str]) -> set[str]:
        """The capabilities that it needs when `ours` are the container's models; none when it does not call it."""
        applied = {found[1] for name, text in self.commands if name == "apply" and (found := _MODEL.match(text))}
        called = [name for name, used in (("fit", any(True for _ in self.fitted())), ("apply", applied & ours)) if used]
        if not called:
            return set()
        names = {name for name, _ in self.commands}
        others = {capability for command, capability in (WRITES | READS).items() if command in names}
        return {SCHEDULED, *CALLING, *others, *(CALLS[name] for name in called)}


def owners(rest: Rest, settings: Settings) -> Iterator[Finding]:
    """Whether the owner of each scheduled search that calls the container is a user with all that it needs.

    Only searches that the token's user may see; disabled ones do not count.
    """
    calling = _calling(_searches(rest), settings)
    if not calling:
        yield skipped("owners", "no scheduled search that the token's user sees calls the container")
        return
    roles = _roles(rest)
    known = set().union(*roles.values())
    for owner, needed in sorted(calling.items()):
        # Releases of the AI Toolkit before these capabilities do not ask for them; no role has them then.
        asked = {name: needs - (set(CALLS.values()) - known) for name, needs in needed.items()}
        yield _judged(rest, owner, asked, roles)


def _calling(searches: list[Search], settings: Settings) -> dict[str, dict[str, set[str]]]:
    """By owner, the scheduled searches that call the container and what each of them needs."""
    ours = {model for search in searches for model in search.fitted()} | {STATUS}
    ours |= {name.model for name in ModelStore.open(settings.paths, settings.keep_versions).models()}
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for search in searches:
        if search.scheduled and (needs := search.needs(ours)):
            found[search.owner][search.name] |= needs  # two apps may have a search of one name
    return found


def _judged(rest: Rest, owner: str, needed: Mapping[str, set[str]], roles: Mapping[str, set[str]]) -> Finding:
    theirs = f"of {owner}: {_listed(list(needed))}"
    if owner == "nobody":
        advice = (
            "Give them to a service account: POST …/saved/searches/<name>/acl owner=<account> sharing=app. The AI "
            "Toolkit looks for the capabilities of the owner, and there is no user nobody."
        )
        return warning("owners", f"searches {theirs}: no user of that name can have capabilities", advice)
    user = _user(rest, owner)
    if user is None:
        advice = "Give them to a user that exists: Settings, All configurations, Reassign Knowledge Objects."
        return error("owners", f"searches {theirs}: Splunk has no user of that name, so they never run", advice)
    has = set().union(*(roles.get(role, set()) for role in user.get("roles", [])))
    lacking = {name: needs - has for name, needs in needed.items() if needs - has}
    if not lacking:
        return ok("owners", f"searches {theirs}: the owner has every capability that they need")
    missing = ", ".join(sorted(set().union(*lacking.values())))
    advice = f"Give {owner} a role with them; the apps of dltk flow bring one, dltk_<flow>_runner."
    return error("owners", f"searches of {owner} lack {missing}: {_listed(list(lacking))}", advice)


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + rest


def _user(rest: Rest, name: str) -> dict[str, Any] | None:
    try:
        return rest.get(f"/services/authentication/users/{urllib.parse.quote(name, safe='')}")[0]
    except Refused as failure:
        if failure.status != 404:
            raise
        return None


def _roles(rest: Rest) -> dict[str, set[str]]:
    """The capabilities of each role, its own and those of the roles that it inherits from."""
    entries, _ = rest.entries("/services/authorization/roles")
    kinds = ("capabilities", "imported_capabilities")
    return {str(each["name"]): {name for kind in kinds for name in each.get(kind) or []} for each in entries}


def _searches(rest: Rest) -> list[Search]:
    """The saved searches of every app and user."""
    macros = _macros(rest)
    return [
        Search(
            name=str(each["name"]),
            owner=str(each["acl"].get("owner", "nobody")),
            scheduled=booleans.parse_conf(each.get("is_scheduled")) and not booleans.parse_conf(each.get("disabled")),
            commands=_commands(each, macros),
        )
        for each in rest.entries("/servicesNS/-/-/saved/searches")[0]
    ]


def _commands(entry: Mapping[str, Any], macros: Mapping[str, dict[str, Macro]]) -> tuple[tuple[str, str], ...]:
    text = str(entry.get("search", ""))
    with contextlib.suppress(SearchInvalid):  # a macro that leads back to itself: Splunk refuses the search
        text = expand(text, macros[""] | macros.get(str(entry["acl"].get("app")), {}), unknown="keep")
    return tuple((name.lower(), arguments) for name, arguments in _COMMAND.findall(_COMMENT.sub(" ", text)))


def _macros(rest: Rest) -> dict[str, dict[str, Macro]]:
    """The macros of each app; those that all apps see are at the empty name."""
    found: dict[str, dict[str, Macro]] = {"": {}}
    for each in rest.entries("/servicesNS/-/-/configs/conf-macros")[0]:
        arguments = tuple(word.strip() for word in str(each.get("args") or "").split(",") if word.strip())
        app = "" if each["acl"].get("sharing") in {"global", "system"} else str(each["acl"].get("app"))
        found.setdefault(app, {})[str(each["name"])] = Macro(arguments, str(each.get("definition", "")))
    return found
