"""A claim, and the form that its search has.

A claim's search ends in one row with two fields: `ok` (1 holds, 0 does not, null: nothing to judge by)
and `seen`, a short text of ours without data. The macro ``dltk_acceptance_result`` writes both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

APP = "dltk_acceptance"
ALGORITHM = APP  # the notebook
MODEL = "dltk_acc_"  # how the names of its models begin
LOOKUP = "/servicesNS/-/-/data/lookup-table-files"


class Flavour(StrEnum):
    """The client that calls the container."""

    DSDL = "dsdl"
    AITK = "aitk"


BOTH = frozenset(Flavour)


@dataclass(frozen=True, slots=True)
class Preparation:
    """A search that makes what claims look at; `text` says what for."""

    name: str
    text: str
    search: str

    @property
    def saved(self) -> str:
        """The name of its saved search."""
        return f"{APP}_0_{self.name}"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim.

    Attributes:
        name: of letters and underscores, for good: results of several releases are compared by it.
        text: what holds, as a sentence.
        source: where it was read: `protocol`, `flows` (facts of this project) or a module of it.
        search: see above, without the macro that writes the result.
        earliest: the beginning of its time range.
        flavours: the clients for which it is made.
        late: what it looks for may arrive a minute later.
        refuted_by_error: a search that Splunk refuses, or that ends in an error, disproves it.
        disabled: its search is saved disabled, and holds when Splunk refuses to run it.
        settings: further settings of its saved search, which it looks at.
    """

    name: str
    text: str
    source: str
    search: str
    earliest: str = "-4h"
    flavours: frozenset[Flavour] = field(default=BOTH)
    late: bool = False
    refuted_by_error: bool = False
    disabled: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def saved(self) -> str:
        """The name of its saved search."""
        return f"{APP}_{self.name}"

    @property
    def spl(self) -> str:
        """The whole search."""
        return f'{self.search} | `{APP}_result("{self.name}")`'


def fit(arguments: str) -> str:
    """Return a ``fit`` of the app's notebook."""
    return f"fit `{APP}_algo` algo={ALGORITHM} {arguments}"


def entry(model: str) -> str:
    """Return a search that counts Splunk's entries of a model as `seen`."""
    title = f'title="__mlspl_{MODEL}{model}.mlmodel"'
    return f"| rest splunk_server=local count=0 {LOOKUP} | search {title} | stats count AS seen"


def fact(name: str) -> str:
    """Return commands that keep one fact of the notebook's as `seen`."""
    return f'`{APP}_facts` | where fact="{name}" | stats count AS n values(value) AS seen'


def judge(condition: str) -> str:
    """Return the command that judges what was seen; nothing seen is nothing to judge by."""
    return f"eval ok=case(isnull(seen),null(),{condition},1,true(),0)"
