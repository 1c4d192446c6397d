"""The workers that fit one model together, as one of them sees the others.

::

    rank 0 ── listens(port) ──> front ──> a file MEETING beside every other rank
           ── kept(step) ─────> front      copies the file KEPT: it outlives this machine

The notebook's helper `app.model.ranks` asks `here`; in JupyterLab and papermill there are no others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MEETING = "meeting"  # where rank 0 listens: its address and port
KEPT = "kept"  # the newest state of the training, by rank 0
NO_GPU = "-1"  # the GPU of a rank that has none of its own: NCCL joins no two on one, nor one with a CPU
BEGIN = "begin"  # the state to go on from, for rank 0; absent at a first start
MEET_SECONDS = 600.0  # for rank 0 to listen: it loads its data before
_LOOK_SECONDS = 0.05  # between two looks for that


@dataclass(frozen=True, slots=True)
class Rank:
    """One of `ranks` workers; `address` is that of its machine, `folder` is for the files named above."""

    rank: int
    ranks: int
    address: str
    folder: Path
    listens: Callable[[int], None]
    kept: Callable[[int], None]

    def meeting(self) -> tuple[str, int]:
        """Wait until rank 0 listens; returns its address and port.

        Raises:
            TimeoutError: it does not.
        """
        end = time.monotonic() + MEET_SECONDS
        while not (self.folder / MEETING).exists():
            if time.monotonic() > end:
                raise TimeoutError(f"rank 0 of {self.ranks} did not begin to train within {MEET_SECONDS:.0f} s")
            time.sleep(_LOOK_SECONDS)
        address, port = (self.folder / MEETING).read_text(encoding="utf-8").split()
        return address, int(port)

    def interface(self) -> str:
        """Return the name of the network interface that has the address; empty if none has."""
        import psutil

        for name, addresses in psutil.net_if_addrs().items():
            if any(each.address == self.address for each in addresses):
                return name
        return ""


class _Here:
    """Which rank this process is."""

    def __init__(self) -> None:
        self.rank: Rank | None = None


_here = _Here()


def here() -> Rank | None:
    """Return the rank of this process; None where it fits alone."""
    return _here.rank


def be(rank: Rank | None) -> None:
    """Set the rank of this process. For workers: no notebook needs it."""
    _here.rank = rank
