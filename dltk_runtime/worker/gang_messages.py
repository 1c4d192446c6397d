"""What a worker is told, and tells, that fits one model together with others."""

from __future__ import annotations

import msgspec

# ---------------------------------------------------------------- front process → worker


class Gang(msgspec.Struct, frozen=True, tag=True):
    """The place of a worker among those that fit one model together, as `dltk_runtime.gang` says."""

    rank: int
    ranks: int
    address: str  # of its machine, by which the others reach it
    folder: str  # for the files between the ranks


# ---------------------------------------------------------------- worker → front process


class Listens(msgspec.Struct, frozen=True, tag=True):
    """Rank 0 of a gang listens at a port of its machine for the others."""

    port: int


class Kept(msgspec.Struct, frozen=True, tag=True):
    """Rank 0 of a gang has kept the state of the training after a step."""

    step: int


class Trained(msgspec.Struct, frozen=True, tag=True):
    """A rank other than 0 has fitted: rank 0 has the model."""
