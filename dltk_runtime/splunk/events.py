"""Send the runtime's own events (job states, promotions, drift, errors) to Splunk.

`Events.put` appends an event to a spool on disk and returns; a thread sends the spool in batches.
No request waits for Splunk, and events survive a restart or a kill until Splunk has accepted them.
When the spool is full, new events are dropped and counted, and a later event reports their number.

Splunk may receive an event more than once, after a lost answer or a kill between the answer and
the note on disk. Each event has an `id`: use ``| dedup id``.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dltk_runtime import logs
from dltk_runtime.settings import Settings
from dltk_runtime.splunk import hec
from dltk_runtime.splunk.access import of_settings
from dltk_runtime.splunk.errors import EventRefused, SplunkError
from dltk_runtime.splunk.retry import pauses
from dltk_runtime.splunk.spool import Spool

SOURCETYPE = "dltk:event"
MAX_BATCH_EVENTS = 500
MAX_PAUSE_SECONDS = 60.0  # between two attempts while Splunk does not accept events


@dataclass(slots=True)
class EventCounts:
    """Numbers of events: accepted by Splunk, dropped by a full spool, refused by Splunk."""

    sent: int = 0
    dropped: int = 0
    refused: int = 0


@dataclass(slots=True)
class Events:
    """Background sender, running from `start` to `close`.

    Args:
        sender: the collector to send to.
        folder: folder of the spools, one per process.
        limit: bytes of waiting events on disk, above which new events are dropped.
        index: index of the events; None for the token's default.
        max_pause: seconds between two attempts, at most.
    """

    sender: hec.Hec
    folder: Path
    limit: int
    index: str | None = None
    max_pause: float = MAX_PAUSE_SECONDS
    counts: EventCounts = field(default_factory=EventCounts)
    _own: Spool = field(init=False)
    _old: list[Spool] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _reported: int = 0  # dropped events that an event has reported
    _wake: threading.Event = field(default_factory=threading.Event)
    _closing: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    @classmethod
    def of(cls, settings: Settings) -> Events | None:
        """Return the sender that the settings configure; None without a collector."""
        access = of_settings(settings)
        if not (access.hec_url and access.hec_token):
            return None
        sender = hec.Hec(access.hec_url, access.hec_token, access.tls, patience=1.0)
        return cls(sender, settings.paths.home / "events", settings.events_spool, settings.events_index or None)

    def start(self) -> None:
        """Take over the spools of ended processes and start to send.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._old = list(Spool.left_behind(self.folder))
        self._own = Spool.create(self.folder)
        self._thread = threading.Thread(target=self._run, name="dltk-events", daemon=True)
        self._thread.start()

    def put(self, kind: str, **facts: Any) -> bool:
        """Spool an event of `kind` with its fields, without waiting for Splunk.

        Return False if it was dropped.
        """
        line = self._line(kind, facts)
        with self._lock:
            kept = self._kept(line)
            if not kept:
                self.counts.dropped += 1
        self._wake.set()
        return kept

    @property
    def waiting(self) -> int:
        """Bytes on disk that Splunk has not accepted yet."""
        return self._own.size + sum(spool.size for spool in self._old)

    def close(self, grace: float = 2.0) -> None:
        """Send waiting events for at most `grace` seconds.

        The rest stays on disk for the next start.
        """
        self._closing.set()
        self._wake.set()
        self._thread.join(grace)
        if self._thread.is_alive():
            self.sender.close()
            self._thread.join()
        for spool in (*self._old, self._own):
            spool.close()

    def _kept(self, line: bytes) -> bool:
        if self.waiting + len(line) > self.limit:
            return False
        try:
            self._own.put(line)
        except OSError as error:
            logs.event("event not kept", logging.WARNING, error=str(error))
            return False
        return True

    def _line(self, kind: str, facts: dict[str, Any]) -> bytes:
        now = time.time()
        data = json.dumps({"kind": kind, "id": uuid.uuid4().hex, **facts}, default=str, ensure_ascii=False)
        one = hec.event(
            # Replace what is not valid JSON: lone surrogates and NaN.
            json.loads(data.encode("utf-8", "replace"), parse_constant=str),
            time=round(now, 3),
            host=socket.gethostname(),
            source="dltk",
            sourcetype=SOURCETYPE,
            index=self.index,
        )
        return hec.encode(one) + b"\n"

    def _run(self) -> None:
        waits = pauses(longest=self.max_pause)
        while True:
            self._wake.clear()
            try:
                while self._send_some():
                    waits = pauses(longest=self.max_pause)
                if self._closing.is_set():
                    return
                self._wake.wait()
            except (SplunkError, OSError) as error:
                if self._closing.is_set():
                    return
                logs.event("events wait", logging.WARNING, error=str(error), bytes=self.waiting)
                self._closing.wait(next(waits))

    def _send_some(self) -> bool:
        """Send the oldest events; return False if there were none.

        Raises:
            SplunkError: Splunk does not accept them now, or not with this token; they stay
                spooled.
        """
        for spool in (*self._old, self._own):
            if lines := spool.peek(MAX_BATCH_EVENTS):
                self._send(lines)
                spool.take(lines)
                self._report_dropped()
                return True
        for spool in self._old:
            spool.close()
        self._old = []
        return False

    def _send(self, lines: list[bytes]) -> None:
        try:
            self.sender.send_batch([line.rstrip() for line in lines])
            self.counts.sent += len(lines)
        except EventRefused as error:
            if error.code == hec.CODE_INDEX:
                raise  # keep the events until the index exists and is allowed
            if len(lines) > 1:
                for line in lines:  # isolate the refused event
                    self._send([line])
            else:
                self.counts.refused += 1
                logs.event("event refused", logging.ERROR, error=str(error))

    def _report_dropped(self) -> None:
        count = self.counts.dropped - self._reported
        if count and self.put("dropped", count=count):
            self._reported += count
