"""The identity of a model. Names from the network become paths only through these types."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dltk_runtime.errors import NameInvalid

STATUS = "dltk_status"  # the algorithm and model by which a search asks for the container's status
MAX_NAME_LENGTH = 128  # characters; leaves room for a suffix in a file name of 255 bytes
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class ModelName:
    """The algorithm and the model name of a search; both are safe as a file name.

    Raises:
        NameInvalid: a name is not ``[A-Za-z_][A-Za-z0-9_]*`` of at most 128 characters, or the
            algorithm begins with two underscores, as modules of Python do.
    """

    algorithm: str
    model: str

    def __post_init__(self) -> None:
        checked("algorithm", self.algorithm)
        if self.algorithm.startswith("__"):
            raise NameInvalid("algorithm", self.algorithm)
        checked("model", self.model)

    def __str__(self) -> str:
        return f"{self.algorithm}/{self.model}"

    @property
    def legacy(self) -> str:
        """The name that a DSDL container passes to ``save`` and ``load``: ``umap_default``."""
        return f"{self.algorithm}_{self.model}"


def checked(kind: str, name: str) -> str:
    """Return `name` if it is valid; `kind` is its kind in the error's text ("a model").

    Raises:
        NameInvalid: `name` is not ``[A-Za-z_][A-Za-z0-9_]*`` of at most 128 characters.
    """
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise NameInvalid(kind, name)
    return name


@dataclass(frozen=True, slots=True, order=True)
class VersionId:
    """The identity of one version of a model; `number` is 0 for files without a committed version."""

    name: ModelName
    number: int

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"

    @property
    def algorithm(self) -> str:
        return self.name.algorithm

    @property
    def model(self) -> str:
        return self.name.model

    @property
    def version(self) -> int:
        return self.number
