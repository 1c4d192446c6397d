"""What one search does: uses, reads, writes, fits, applies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dltk_runtime.flows.dataflow.shapes import Shape

Constraints = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Use:
    """A field that a command names.

    `known` says whether any row can have it, `near` is a made field of nearly that name, and
    `modelled` says that it may be one of the columns that a model has added.
    """

    name: str
    command: str
    known: bool
    near: str = ""
    modelled: bool = False


@dataclass(frozen=True, slots=True)
class Aggregation:
    """What a read by ``tstats`` computes: calls with the names of their results, for each group and span."""

    calls: tuple[tuple[str, str], ...]
    groups: tuple[str, ...]
    span: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A read of an index or a lookup; each of `alternatives` asks for values of fields."""

    target: str
    alternatives: tuple[Constraints, ...]
    matched: bool = True
    lookup: bool = False
    command: str = "search"  # of an index: also tstats and mstats
    aggregation: Aggregation | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """Rows that are written to an index or a lookup, in each of their forms."""

    command: str
    target: str
    shapes: tuple[Shape, ...]
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fit:
    """One ``fit``; `model` is "" without ``into``."""

    model: str
    target: str
    features: tuple[str, ...]
    options: Mapping[str, str]
    algorithm: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Apply:
    """One ``apply`` and the rows in front of it; `native` is a model that the app fits without a container."""

    model: str
    shape: Shape
    native: bool = False


@dataclass(slots=True)
class Notes:
    """Everything that a walk through one search has seen."""

    uses: list[Use] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    reads: list[Read] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    fits: list[Fit] = field(default_factory=list)
    applies: list[Apply] = field(default_factory=list)
    never: list[str] = field(default_factory=list)  # conditions that no row can meet
    turned: list[str] = field(default_factory=list)  # what is null, or of one sign, in every row
    outputs: tuple[Shape, ...] = ()
