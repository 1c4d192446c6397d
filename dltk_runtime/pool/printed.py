"""What a worker prints: by one pipe, or by the other for a request that followed another one closely."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable

from dltk_runtime.pool.worker import discard
from dltk_runtime.scrub import ByteStream, Scrubber

PIPE_BYTES = 64 * 1024  # capacity of a pipe: one read takes all that was printed before it
Output = Callable[[bytes], object]


class _Pipe:
    def __init__(self, descriptor: int, scrubber: Scrubber) -> None:
        self.descriptor = descriptor
        self.text = ByteStream(scrubber)
        self._waits = select.poll()
        self._waits.register(descriptor, select.POLLIN)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be read now. To ask takes less than a read that raises `BlockingIOError`."""
        return not self._waits.poll(0)


class Printed:
    """Passes printed text on.

    Attributes:
        output: takes what the request prints that runs.
        behind: takes what the one prints that follows it; None where there is none.
    """

    def __init__(self, pipes: tuple[int, int], scrubber: Scrubber) -> None:
        self.output: Output = discard
        self.behind: Output | None = None
        self._pipes = [_Pipe(each, scrubber) for each in pipes]  # the request that runs prints to the first
        self._closed = False
        for each in self._pipes:
            asyncio.get_running_loop().add_reader(each.descriptor, self._read, each)

    def read(self) -> None:
        """Read once what the request that runs has printed: a worker may print without end."""
        if not (self._closed or self._pipes[0].is_empty):
            self._read(self._pipes[0])

    def end_request(self) -> None:
        """Read the rest of what the request that ran has printed, before its answer."""
        self.read()
        self._show_rest(self._pipes[0])

    def follow(self) -> None:
        """Go over to the request that follows."""
        self._pipes.reverse()
        self.output, self.behind = self.behind or discard, None

    def close(self) -> None:
        """Read the rest, and close the pipes: the process has ended."""
        for each in self._pipes:
            self._read(each)
            self._show_rest(each)
            asyncio.get_running_loop().remove_reader(each.descriptor)
            os.close(each.descriptor)
        self._closed = True

    def _output_of(self, pipe: _Pipe) -> Output:
        return self.behind if self.behind is not None and pipe is self._pipes[1] else self.output

    def _read(self, pipe: _Pipe) -> None:
        try:
            text = b"" if self._closed else os.read(pipe.descriptor, PIPE_BYTES)
        except BlockingIOError:
            return
        if text:
            if shown := pipe.text.feed(text):
                self._output_of(pipe)(shown)
        elif not self._closed:
            asyncio.get_running_loop().remove_reader(pipe.descriptor)

    def _show_rest(self, pipe: _Pipe) -> None:
        if rest := pipe.text.end():
            self._output_of(pipe)(rest)
