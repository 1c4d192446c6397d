"""How long another machine may take."""

from __future__ import annotations

from dltk_runtime.units import MIB

SILENT_SECONDS = 7.0  # without an answer of a node after which it counts as lost
PIECE_BYTES = 16 * MIB  # of a version's file
SLOWEST_BYTES = MIB  # a second that a way between machines carries at least
