"""What a worker prints, without the secrets that its notebook was given."""

from __future__ import annotations

from dltk_runtime.texts import Scrubber

NOTHING_SECRET = Scrubber(())


class PrintedBytes:
    """Passes printed bytes on; holds back an end that may be the beginning of a secret."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return what can be shown of all that was printed so far."""
        if not self._scrubber:
            return data
        data = self._scrubber.data(self._rest + data)
        kept = self._scrubber.unfinished(data)
        self._rest = data[len(data) - kept :]
        return data[: len(data) - kept]

    def end(self) -> bytes:
        """Return what was held back, as nothing follows."""
        rest, self._rest = self._rest, b""
        return rest
