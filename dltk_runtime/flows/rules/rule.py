"""The shape of a rule, and what rules ask of a search's text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dltk_runtime.emulator.standin import epoch
from dltk_runtime.errors import DltkError
from dltk_runtime.flows.app import App, AppSearch
from dltk_runtime.flows.spl import Stage, stages
from dltk_runtime.names import STATUS

NOON = 1_767_614_400.0  # of a day in 2026: a moment to resolve times at
_FIT = re.compile(r"\bfrom\s+(.+?)\s+into\s+(?:app:|user:)?(\w+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """One place where a rule is broken: file and line, and what stands there."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Rule:
    """`find` looks through one app; `apps` are all that are checked together, the indexers' one among them."""

    number: int
    text: str
    fix: str
    find: Callable[[App, Sequence[App]], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule in an app."""

    app: str
    rule: Rule
    found: Found


@dataclass(frozen=True, slots=True)
class Text:
    """A search with its macros expanded, and its commands."""

    search: AppSearch
    spl: str
    stages: tuple[Stage, ...]

    @property
    def commands(self) -> tuple[tuple[str, str], ...]:
        """Names and arguments; those of a subpipeline follow the command that it belongs to."""
        return tuple((stage.name, stage.arguments) for stage in self.stages)

    @property
    def where(self) -> str:
        return f"{self.search.file}:{self.search.line} {self.search.name}"

    def has(self, *names: str) -> bool:
        return any(name in names for name, _ in self.commands)

    def of(self, *names: str) -> list[str]:
        """The arguments of every command of these names."""
        return [arguments for name, arguments in self.commands if name in names]

    def before(self, name: str) -> str:
        """The text in front of the first command of that name."""
        return self._cut(name)[0]

    def after(self, name: str) -> str:
        """The text behind the first command of that name, nothing when there is none."""
        return self._cut(name)[1]

    @property
    def writes(self) -> bool:
        """Whether its runs leave something that a second run would leave again."""
        return self.has("collect", "mcollect", "outputlookup")

    def says(self, pattern: str) -> bool:
        return re.search(pattern, self.spl, re.DOTALL) is not None

    def _cut(self, name: str) -> tuple[str, str]:
        found = [stage for stage in self.stages if stage.name == name and stage.separator in ("", "|")]
        return (self.spl[: found[0].begin], self.spl[found[0].head :]) if found else (self.spl, "")


def moment(modifier: str) -> float | None:
    """Epoch seconds of a time such as ``-7m@m`` when it is `NOON`; nothing for what has no such time, as ``rt``."""
    try:
        return epoch(modifier, NOON)
    except DltkError:
        return None


@lru_cache(maxsize=4)
def texts(app: App) -> tuple[Text, ...]:
    """Every search of the app, read once for all rules."""
    readable = ((search, app.readable(search)) for search in app.searches)
    return tuple(Text(search, spl, stages(spl)) for search, spl in readable)


def saved(app: App) -> list[Text]:
    return [text for text in texts(app) if not text.search.view]


def scheduled(app: App) -> list[Text]:
    return [text for text in texts(app) if text.search.scheduled]


def writers(app: App) -> list[Text]:
    return [text for text in scheduled(app) if text.writes]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a ``fit … into`` makes: the model's name, by which algorithm, from which features."""

    text: Text
    model: str
    algorithm: str
    features: tuple[str, ...]


def recipes(app: App) -> Iterator[Recipe]:
    """Every fit of the app's searches that names its features and its model; `STATUS` is no model."""
    for text in texts(app):
        for arguments in text.of("fit"):
            match = _FIT.search(arguments)
            if match and match[2] != STATUS:
                algorithm = re.search(r"\balgo=(\S+)", arguments)
                features = tuple(match[1].replace(",", " ").split())
                yield Recipe(text, match[2], algorithm[1] if algorithm else "", features)
