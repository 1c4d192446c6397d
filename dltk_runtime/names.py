"""The identity of a model, checked once: what comes from the network becomes a path only through here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dltk_runtime.errors import NameInvalid

STATUS = "dltk_status"  # the algorithm and model by which a search asks the container about itself
LONGEST = 128  # characters; leaves room for a suffix in the 255 bytes of a file's name
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class ModelName:
    """The algorithm and the name that a search gave its model; both are safe as a file's name.

    Raises:
        NameInvalid: when one of them is not ``[A-Za-z_][A-Za-z0-9_]*`` of at most 128 characters,
            or when the algorithm begins with two underscores, as Python's own modules do.
    """

    algorithm: str
    model: str

    def __post_init__(self) -> None:
        checked("an algorithm", self.algorithm)
        if self.algorithm.startswith("__"):
            raise NameInvalid("an algorithm", self.algorithm)
        checked("a model", self.model)

    def __str__(self) -> str:
        return f"{self.algorithm}/{self.model}"

    @property
    def legacy(self) -> str:
        """``umap_default``: the name that a DSDL container passes to ``save`` and ``load``."""
        return f"{self.algorithm}_{self.model}"


def checked(kind: str, name: str) -> str:
    """`name`, when it can be one; `kind` says in the error what it would have named.

    Raises:
        NameInvalid: when it cannot.
    """
    if len(name) > LONGEST or not _NAME.fullmatch(name):
        raise NameInvalid(kind, name)
    return name


@dataclass(frozen=True, slots=True)
class Key:
    """What an apply worker serves."""

    algorithm: str
    model: str
    version: int
