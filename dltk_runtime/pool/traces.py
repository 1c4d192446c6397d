"""What a worker leaves for the report of its death: its stack, the phase of its apply, and its code."""

from __future__ import annotations

from dltk_runtime.pool.dump import StackDump
from dltk_runtime.pool.outcome import UNSENT_PHASE, Death, place_of
from dltk_runtime.pool.phases import PhaseClock
from dltk_runtime.worker.board import Board


class Traces:
    """The traces of one worker, by its memory files.

    Attributes:
        stack: what its faulthandler writes.
        code: the notebook's sources, for the line where it dies.
    """

    def __init__(self, dump: int, board: int) -> None:
        self.stack = StackDump(dump)
        self.code = b""
        self._board = Board(board)
        self._closed = False

    def clear(self) -> None:
        """Remove what earlier calls left."""
        self.stack.clear()
        self._board.clear()

    def death(self, cause: str, clock: PhaseClock) -> Death:
        """Return how the worker ended during a call; its `clock` goes over to the phase that the call had reached."""
        dump = ""
        if not self._closed:
            dump = self.stack.text()
            if clock.name == UNSENT_PHASE and (entered := self._board.last()):
                clock.name, clock.place = entered.phase, entered.at
        return Death(cause, clock.name, place_of(dump, self.code, clock.place), dump)

    def close(self) -> None:
        """Close the files."""
        self.stack.close()
        self._board.close()
        self._closed = True
