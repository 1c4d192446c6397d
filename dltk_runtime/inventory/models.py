"""Splunk's entries of models: which there are, and which belong to a container.

The names come from the lookup files. What kind each is comes from ``listmodels``, whose columns
none of us has seen in a Splunk: `SEARCH` and the names below are all that is read of it. Options,
which may hold a session key, stay in Splunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dltk_runtime.doctor.rest import Rest
from dltk_runtime.emulator.mltk.grammar import CONTAINERS
from dltk_runtime.emulator.mltk.stubs import PREFIX, SUFFIX
from dltk_runtime.errors import DltkError
from dltk_runtime.inventory.objects import LOOKUPS, optional
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.search import Search

NAME, TYPE, ALGORITHM = "name", "type", "container_algo"
SEARCH = rf'| listmodels | rex field=options "algo\W{{1,8}}(?<{ALGORITHM}>[\w.-]+)" | fields {NAME} {TYPE} {ALGORITHM}'
MAX_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class SplunkModels:
    """What Splunk knows of models.

    Attributes:
        names: those with an entry; None where the list is refused.
        types: the class of each, such as ``MLTKContainer``, by model; empty where that is unknown.
        algorithms: the notebook of each, by model.
        problem: what could not be read, or an empty text.
    """

    names: frozenset[str] | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    algorithms: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def in_container(self, model: str) -> bool | None:
        """Return whether the model belongs to a container, None where that is unknown."""
        return self.types[model] in CONTAINERS if model in self.types else None


def read(rest: Rest, connection: Connection) -> SplunkModels:
    """Read both lists; a refusal is in the result. Raises `NoAnswer`."""
    entries = optional(rest, LOOKUPS)
    names = None if entries is None else frozenset(_models(str(each["name"]) for each in entries))
    try:
        rows = list(Search(SEARCH, "-1m", "now", connection, MAX_SECONDS).rows())
    except DltkError as failure:
        return SplunkModels(names, problem=f"the kinds of models are unknown: {failure.sentence}")
    types = {str(row[NAME]): str(row[TYPE]) for row in rows if row.get(NAME) and row.get(TYPE)}
    algorithms = {str(row[NAME]): str(row[ALGORITHM]) for row in rows if row.get(NAME) and row.get(ALGORITHM)}
    problem = "" if types or not rows else f"listmodels has no column {NAME} or {TYPE}: the kinds of models are unknown"
    return SplunkModels(names if names is None else names | types.keys(), types, algorithms, problem)


def _models(files: Iterable[str]) -> Iterator[str]:
    for name in files:
        if name.startswith(PREFIX) and name.endswith(SUFFIX):
            yield name.removeprefix(PREFIX).removesuffix(SUFFIX)
