"""Read-ahead: parse large applies while they arrive, in the worker likely to get them.

The model that a request is for is in `meta`, which comes last. But searches repeat: the worker that
served the last rows with the same header gets the next ones too, as they arrive::

    header of the rows ──> the version last applied to such rows ──> an idle worker of it

It is no lease: the worker serves other calls in between. If the request turns out to be for another
model, or the worker is busy when all rows have come, the rows are read again, whole.
"""

from __future__ import annotations

from collections import OrderedDict

from dltk_runtime.names import VersionId
from dltk_runtime.payload import Buffer, Payload
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.worker import ReadAhead, Worker

MAX_HEADER_BYTES = 64 * 1024  # in which the header must end
MAX_HEADERS = 256  # that are remembered


class Headers:
    """The version that was last applied to rows with each header.

    None stands for rows that can only be read whole.
    """

    def __init__(self) -> None:
        self._versions: OrderedDict[bytes, VersionId | None] = OrderedDict()

    def version_for(self, header: bytes) -> VersionId | None:
        """Return the version last applied to rows with this header, if they can be read ahead."""
        return self._versions.get(header)

    def learn(self, header: bytes, version: VersionId, *, in_vain: bool) -> None:
        """Note that a version was applied to rows with this header.

        `in_vain` says whether they were read ahead although they can only be read whole.
        """
        known = self._versions.get(header, version)
        self._versions[header] = None if in_vain or known is None else version
        self._versions.move_to_end(header)
        while len(self._versions) > MAX_HEADERS:
            self._versions.popitem(last=False)


class Upload:
    """The rows of one large request, while they arrive and until they are applied.

    Without `headers` the rows are only collected.
    """

    def __init__(self, pool: Pool, headers: Headers | None = None) -> None:
        self._pool = pool
        self._headers = headers
        self._buffer: Buffer | None = None
        self._expected = 0
        self._header: bytes | None = None  # until enough has come
        self.read_ahead: ReadAhead | None = None

    def begin(self, expected: int) -> None:
        """Begin to receive rows, about `expected` bytes."""
        self._buffer, self._expected = self._pool.buffer(), expected

    @property
    def rows(self) -> Payload:
        """Return the rows received so far.

        Raises:
            RuntimeError: `begin` was not called.
        """
        return Payload(self._started, escaped=False)

    def write(self, text: bytes | bytearray) -> None:
        """Append rows, as plain CSV."""
        buffer = self._started
        buffer.write(text)
        if self.read_ahead is not None:
            self.read_ahead.grown()
        elif self._header is None and self._headers is not None and len(buffer) >= MAX_HEADER_BYTES:
            self._begin_read_ahead(buffer, self._headers)

    def number_for(self, worker: Worker) -> int:
        """Return the number under which `worker` has read the rows ahead; 0 if it has not."""
        return self.read_ahead.number_for(worker) if self.read_ahead else 0

    def applied(self, version: VersionId, *, in_vain: bool) -> None:
        """Note which version was applied to the rows."""
        if self._header is not None and self._headers is not None:
            self._headers.learn(self._header, version, in_vain=in_vain)

    def close(self) -> None:
        """End a read-ahead: the rows are applied, or no longer needed."""
        if self.read_ahead is not None:
            self.read_ahead.close()

    @property
    def _started(self) -> Buffer:
        if self._buffer is None:
            raise RuntimeError("an upload must begin before it takes rows")
        return self._buffer

    def _begin_read_ahead(self, buffer: Buffer, headers: Headers) -> None:
        self._header = bytes(buffer.view()[:MAX_HEADER_BYTES]).partition(b"\n")[0]
        version = headers.version_for(self._header)
        if version is not None:
            self.read_ahead = self._pool.read_ahead(version, buffer, self._expected)
