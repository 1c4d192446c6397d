"""The runtime's own events in Splunk: job states, promotions, drift, errors.

`Events.put` writes the event to a spool on disk and returns; a thread sends what lies there, in batches, for as long
as it takes. So no request waits for Splunk, and what Splunk did not take yet goes on after a restart, also after a
kill. Beyond the limit of the spool new events are dropped and counted, and an event says how many.

Splunk may get an event twice (a lost answer, a kill between answer and note), never more often than it was not
heard: each has an `id`, and ``| dedup id`` leaves one.
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
BATCH = 500  # events of one request
LONGEST = 60.0  # seconds between two tries while Splunk does not take them


@dataclass(slots=True)
class Counts:
    """What became of the events of this process; `dropped` found no room, `refused` was not taken by Splunk."""

    sent: int = 0
    dropped: int = 0
    refused: int = 0


@dataclass(slots=True)
class Events:
    """A sender in the background, from `start` to `close`."""

    sender: hec.Hec
    folder: Path
    limit: int  # bytes on disk
    index: str | None = None
    longest: float = LONGEST
    counts: Counts = field(default_factory=Counts)
    _own: Spool = field(init=False)
    _old: list[Spool] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _told: int = 0  # dropped events that an event has told of
    _wake: threading.Event = field(default_factory=threading.Event)
    _closing: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    @classmethod
    def of(cls, settings: Settings) -> Events | None:
        """The sender that the settings ask for; none without a collector."""
        access = of_settings(settings)
        if not (access.hec_url and access.hec_token):
            return None
        sender = hec.Hec(access.hec_url, access.hec_token, access.tls, patience=1.0)
        return cls(sender, settings.paths.home / "events", settings.events_spool, settings.events_index or None)

    def start(self) -> None:
        """Take over what ended processes left behind, and begin to send.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._old = list(Spool.left_behind(self.folder))
        self._own = Spool.create(self.folder)
        self._thread = threading.Thread(target=self._run, name="dltk-events", daemon=True)
        self._thread.start()

    def put(self, kind: str, **facts: Any) -> bool:
        """Give one event of `kind` with its facts on its way; whether there was room for it. Never waits for Splunk."""
        line = self._line(kind, facts)
        with self._lock:
            kept = self._kept(line)
            if not kept:
                self.counts.dropped += 1
        self._wake.set()
        return kept

    @property
    def waiting(self) -> int:
        """Bytes on disk that Splunk has not taken yet."""
        return self._own.size + sum(spool.size for spool in self._old)

    def close(self, grace: float = 2.0) -> None:
        """Send what there is for at most `grace` seconds; the rest stays on disk for the next start."""
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
            # Whatever a fact is, it can be sent: half a surrogate pair and NaN are no JSON.
            json.loads(data.encode("utf-8", "replace"), parse_constant=str),
            time=round(now, 3),
            host=socket.gethostname(),
            source="dltk",
            sourcetype=SOURCETYPE,
            index=self.index,
        )
        return hec.encode(one) + b"\n"

    def _run(self) -> None:
        waits = pauses(longest=self.longest)
        while True:
            self._wake.clear()
            try:
                while self._send_some():
                    waits = pauses(longest=self.longest)
                if self._closing.is_set():
                    return
                self._wake.wait()
            except (SplunkError, OSError) as error:
                if self._closing.is_set():
                    return
                logs.event("events wait", logging.WARNING, error=str(error), bytes=self.waiting)
                self._closing.wait(next(waits))

    def _send_some(self) -> bool:
        """Send the oldest events; whether there were any.

        Raises:
            SplunkError: Splunk does not take them now, or not with this token; they stay.
        """
        for spool in (*self._old, self._own):
            if lines := spool.peek(BATCH):
                self._send(lines)
                spool.take(lines)
                self._tell_of_dropped()
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
            if error.code == hec.INDEX_UNKNOWN:
                raise  # somebody will make the index, or allow it
            if len(lines) > 1:
                for line in lines:  # find the one, and let the others through
                    self._send([line])
            else:
                self.counts.refused += 1
                logs.event("event refused", logging.ERROR, error=str(error))

    def _tell_of_dropped(self) -> None:
        count = self.counts.dropped - self._told
        if count and self.put("dropped", count=count):
            self._told += count
