"""The holder of a token: what it may do, with which models, and how much of it."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dltk_runtime.access.errors import ModelForbidden, RightMissing
from dltk_runtime.names import ModelName


class Right(StrEnum):
    """What a token may do. `ADMIN` of a named token includes all others."""

    APPLY = "apply"
    FIT = "fit"
    PROMOTE = "promote"
    READ = "read"
    ADMIN = "admin"


ALL_RIGHTS = frozenset(Right)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the fits of one token may use; None: no bound of its own.

    Attributes:
        fits: at the same time, on all replicas.
        queue: asynchronous fits that wait, on all replicas.
        gpu_seconds: of the fits that ended on one day, UTC.
        disk: bytes of all versions that were fitted with the token.
    """

    fits: int | None = None
    queue: int | None = None
    gpu_seconds: float | None = None
    disk: int | None = None


NO_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a token. `models` are patterns: ``*``, ``sales_*``, ``umap/*`` (algorithm/model)."""

    name: str
    rights: frozenset[Right] = ALL_RIGHTS
    models: tuple[str, ...] = ("*",)
    bounds: Bounds = NO_BOUNDS

    def may(self, right: Right) -> bool:
        """Return whether it has a right."""
        return right in self.rights

    @property
    def sees_all(self) -> bool:
        """Whether its patterns have every model."""
        return "*" in self.models

    def covers(self, name: ModelName) -> bool:
        """Return whether its patterns have a model."""
        return self.sees_all or any(_matches(pattern, name) for pattern in self.models)

    def covers_any(self, model: str) -> bool:
        """Return whether its patterns have a model of this name whatever its algorithm is."""
        return any("/" not in pattern and fnmatch.fnmatchcase(model, pattern) for pattern in self.models)

    def check(self, right: Right, name: ModelName | None = None) -> None:
        """Make sure that it may do something, with the model `name` if given.

        Raises:
            RightMissing: it lacks the right.
            ModelForbidden: the model is none of its models.
        """
        if not self.may(right):
            raise RightMissing(self.name, right, listed(self.rights))
        if name is not None and not self.covers(name):
            raise ModelForbidden(self.name, str(name), ", ".join(self.models))


INSIDE = Holder("")  # of calls that the runtime makes itself


def listed(rights: Iterable[Right]) -> str:
    """Return rights in the order in which they are declared: ``apply, fit``."""
    given = set(rights)
    return ", ".join(right for right in Right if right in given)


def _matches(pattern: str, name: ModelName) -> bool:
    """Return whether a pattern has a model; one without a slash is for the model's name alone."""
    return fnmatch.fnmatchcase(str(name) if "/" in pattern else name.model, pattern)
