"""Serve a renewed certificate without a restart; platforms replace mounted ones every few weeks.

The new pair is first loaded into a trial context. A certificate and a key that do not belong
together, for example while one of the files is being written, would break the live context for
every new connection.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dltk_runtime import logs, tls
from dltk_runtime.files.state import Stamp, stamp_of

CHECK_SECONDS = 5.0  # between two checks, which cost two stat calls


class Renewal:
    """Watch the pair of PEM files from which `context` was loaded."""

    def __init__(self, context: ssl.SSLContext, cert: Path, key: Path) -> None:
        self._context = context
        self._pair = (cert, key)
        self._seen = self._stamps()

    async def run(self) -> None:
        """Check the files until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> bool:
        """Load the pair if it changed; return whether it was. An invalid pair is logged once."""
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        self._seen = stamps
        try:
            self._load()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "reason", None) or str(error)
            logs.event("certificate not renewed", logging.WARNING, cert=self._pair[0], key=self._pair[1], reason=reason)
            return False
        logs.event("certificate renewed", cert=self._pair[0])
        return True

    def _load(self) -> None:
        """Load a copy into both contexts, because the files may change between trial and live."""
        with tempfile.TemporaryDirectory(prefix="dltk-tls-") as folder:  # only its owner can read it
            cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
            for source, copy in zip(self._pair, (cert, key), strict=True):
                copy.write_bytes(source.read_bytes())
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._context):
                tls.load_pair(context, cert, key)

    def _stamps(self) -> Sequence[Stamp | None]:
        return [stamp_of(path) for path in self._pair]
