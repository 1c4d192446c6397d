"""Search jobs, exports and saved searches."""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import itertools
import json
import re
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from dltk_runtime import booleans
from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.standin import NotEmulated, Row, Window, epoch
from tests.splunkd import objects
from tests.splunkd.answers import Answer, Entry, Refusal, Request, decoded, feed, in_json, sid, single
from tests.splunkd.objects import App

if TYPE_CHECKING:
    from tests.splunkd.server import Splunkd

MOST_ROWS = 50_000  # limits.conf [restapi] maxresultrows
PIECE = 500  # rows sent together
_encode_lines = msgspec.json.Encoder().encode_lines


@dataclass
class Job:
    """One search, carried out in a thread of its own."""

    sid: str
    search: str
    rows: list[Row] = field(default_factory=list)
    state: str = "QUEUED"
    messages: list[tuple[str, str]] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def run(self, rows: Iterable[Row], start: threading.Event | None) -> None:
        """Gather the rows, once `start` is set."""
        while start is not None and not start.wait(0.02):
            if self.cancelled.is_set():
                return
        self.state = "RUNNING"
        try:
            for row in rows:
                if self.cancelled.is_set():
                    return
                self.rows.append(row)
            self.state = "DONE"
        except SearchError as error:
            self.messages.append(("FATAL", error.sentence))
            self.state = "FAILED"

    @property
    def entry(self) -> Entry:
        done = self.state in ("DONE", "FAILED")
        content = {
            "sid": self.sid,
            "dispatchState": self.state,
            "isDone": done,
            "isFailed": self.state == "FAILED",
            "doneProgress": 1.0 if done else 0.5,
            "resultCount": len(self.rows),
            "eventCount": len(self.rows),
            "messages": [{"type": kind, "text": text} for kind, text in self.messages],
        }
        return Entry(self.search, content, f"search/jobs/{self.sid}")


class Searches:
    """The routes ``search/…`` and ``saved/searches/…``."""

    def __init__(self, splunkd: Splunkd) -> None:
        self._splunkd = splunkd
        self._numbers = itertools.count(1)
        self.jobs: dict[str, Job] = {}
        self.abandoned = 0  # exports whose reader went away

    @property
    def saved(self) -> dict[str, dict[str, str]]:
        """Saved searches of the stand-in's first app."""
        return self._splunkd.apps[self._splunkd.app].saved

    def answer(self, request: Request) -> Answer:
        found = re.fullmatch(r"search/(v2/)?jobs(?:/([^/]+)(?:/([^/]+))?)?/?", request.path)
        if not found:
            raise NotEmulated(f"{request.method} {request.path}")
        _, name, action = found.groups()
        if name == "export":
            return Answer(body=self._export(request), kind="application/json; charset=UTF-8")
        if name is None:
            return self._create(request) if request.method == "POST" else self._list(request)
        job = self._job(name)
        return self._act(request, job, action or "")

    # ------------------------------------------------------------ jobs

    def start(self, search: str, params: Mapping[str, str]) -> Job:
        """Begin a search; what cannot be parsed is refused at once."""
        now = self._splunkd.now()
        rows = self._run(search, params)
        job = Job(f"{now:.3f}_{next(self._numbers)}", search, messages=list(self._splunkd.faults.messages))
        self.jobs[job.sid] = job
        threading.Thread(target=job.run, args=[rows, self._splunkd.faults.slow], daemon=True).start()
        return job

    def _create(self, request: Request) -> Answer:
        params = request.params
        mode = params.get("exec_mode", "normal")
        if mode not in ("normal", "oneshot"):
            raise NotEmulated(f"exec_mode={mode}")
        if mode == "oneshot":
            rows = self._run(params.get("search", ""), params)
            return self._page(request, list(rows))
        return sid(request, self.start(params.get("search", ""), params).sid)

    def _list(self, request: Request) -> Answer:
        return feed(request, [job.entry for job in self.jobs.values()])

    def _job(self, number: str) -> Job:
        if number not in self.jobs:
            raise Refusal(404, "Unknown sid.", "FATAL")
        return self.jobs[number]

    def _act(self, request: Request, job: Job, action: str) -> Answer:
        match request.method, action:
            case "GET", "":
                return single(request, job.entry)
            case (("GET" | "POST"), "results"):
                if job.state != "DONE":
                    return Answer(204)
                return self._page(request, job.rows)
            case "POST", "control":
                return self._control(request, job)
            case "GET", "search.log":
                text = f"INFO  search: {job.search}\nINFO  state: {job.state}\n"
                return Answer(body=text.encode(), kind="text/plain")
            case "DELETE", "":
                self._cancel(job)
                return in_json({"messages": [{"type": "INFO", "text": "Search job cancelled."}]})
        raise NotEmulated(f"{request.method} {request.path}")

    def _control(self, request: Request, job: Job) -> Answer:
        match request.params.get("action"):
            case "cancel":
                self._cancel(job)
            case "touch" | "setttl":
                pass
            case action:
                raise NotEmulated(f"the job action {action!r}")
        return Answer(body=b'<?xml version="1.0" encoding="UTF-8"?>\n<response/>')

    def _cancel(self, job: Job) -> None:
        job.cancelled.set()
        del self.jobs[job.sid]

    def _page(self, request: Request, rows: list[Row]) -> Answer:
        asked, offset = int(request.params.get("count", 100)), int(request.params.get("offset", 0))
        most = min(asked or MOST_ROWS, MOST_ROWS, self._splunkd.faults.page)
        page = [shown(row) for row in rows[offset : offset + most]]
        match request.params.get("output_mode", "xml"):
            case "json":
                return in_json({"preview": False, "init_offset": offset, "messages": [], "results": page})
            case "csv":
                return Answer(body=_csv(page), kind="text/csv")
            case "xml":
                return Answer(body=_xml(page))
            case other:
                raise NotEmulated(f"output_mode={other} for results")

    # ------------------------------------------------------------ export

    def _export(self, request: Request) -> Generator[bytes]:
        if request.params.get("output_mode") != "json":
            raise NotEmulated("an export in another form than JSON", "Ask for output_mode=json.")
        rows = self._run(request.params.get("search", ""), request.params)
        return self._lines(iter(rows))

    def _lines(self, rows: Iterator[Row]) -> Generator[bytes]:
        """One document a line; the last row is marked."""
        sent = 0
        try:
            for kind, text in self._splunkd.faults.messages:
                yield _message(kind, text)
            piece = list(itertools.islice(rows, PIECE))
            if not piece:
                yield b'{"preview":false,"lastrow":true}\n'
            while piece:
                following = list(itertools.islice(rows, PIECE))
                yield _encoded(sent, piece, last=not following)
                sent, piece = sent + len(piece), following
                self._break(sent)
        except SearchError as error:
            yield _message("FATAL", error.sentence)
        except GeneratorExit:
            self.abandoned += 1
            raise

    def _break(self, sent: int) -> None:
        faults = self._splunkd.faults
        if 0 < faults.break_after <= sent:
            faults.break_after = 0
            raise BrokenPipeError("an export that breaks")

    def _run(self, search: str, params: Mapping[str, str]) -> Iterable[Row]:
        first = search.split(maxsplit=1)[0] if search.strip() else ""
        if not search.strip():
            raise Refusal(400, "Empty search.", "FATAL")
        if not first.startswith(("|", "`")) and first != "search":  # a macro may hold the command
            raise Refusal(400, f"Unknown search command '{re.split(r'[^a-z]', first)[0]}'.", "FATAL")
        now = self._splunkd.now()
        try:
            return self._splunkd.run_search(search, _window(params, now), now)
        except SearchError as error:
            raise Refusal(400, error.sentence, "FATAL") from error

    # ------------------------------------------------------------ saved searches

    def answer_saved(self, request: Request, app: App) -> Answer:
        _, _, rest = request.path.partition("saved/searches")
        name, _, action = rest.strip("/").partition("/")
        if request.method == "POST" and action == "dispatch":
            return self._dispatch(request, app, decoded(name))
        if action:
            raise NotEmulated(f"{request.method} {request.path}")
        return objects.answer(request, app)

    def _dispatch(self, request: Request, app: App, name: str) -> Answer:
        if name not in app.saved:
            raise Refusal(404, f"Could not find object id={name}")
        saved = app.saved[name]
        if booleans.parse_conf(saved.get("disabled")):  # the text is ours
            raise Refusal(400, f"The saved search {name} is disabled.", "FATAL")
        given = {key.removeprefix("dispatch."): value for key, value in {**saved, **request.params}.items()}
        return sid(request, self.start(saved["search"], given).sid)


def _window(params: Mapping[str, str], now: float) -> Window:
    """The times of a search, from a request's parameters or a saved search's settings."""
    return Window(
        epoch(params.get("earliest_time", ""), now),
        epoch(params.get("latest_time") or "now", now),
        epoch(params.get("index_earliest", ""), now),
        epoch(params.get("index_latest") or "inf", now),
    )


def shown(row: Row) -> Row:
    """A row as results show it: ``_time`` in ISO 8601 with its offset; what is null is left out."""
    moment = row.get("_time")
    if isinstance(moment, str) and "T" not in moment:
        with contextlib.suppress(ValueError):
            seconds = datetime.datetime.fromtimestamp(float(moment), datetime.UTC)
            row = {**row, "_time": seconds.isoformat(timespec="milliseconds")}
    return {name: value for name, value in row.items() if value is not None} if None in row.values() else row


def _encoded(offset: int, rows: list[Row], *, last: bool) -> bytes:
    lines: list[dict[str, Any]] = [
        {"preview": False, "offset": number, "result": shown(row)} for number, row in enumerate(rows, start=offset)
    ]
    if last:
        lines[-1]["lastrow"] = True
    return _encode_lines(lines)


def _message(kind: str, text: str) -> bytes:
    return json.dumps({"messages": [{"type": kind, "text": text}]}).encode() + b"\n"


def _csv(rows: list[Row]) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names)
    writer.writeheader()
    writer.writerows({name: "\n".join(v) if isinstance(v, list) else v for name, v in row.items()} for row in rows)
    return buffer.getvalue().encode()


def _xml(rows: list[Row]) -> bytes:
    names = dict.fromkeys(name for row in rows for name in row)
    order = "".join(f"<field>{escape(name)}</field>" for name in names)
    results = "".join(
        f"<result offset='{number}'>{''.join(_xml_field(name, value) for name, value in row.items())}</result>"
        for number, row in enumerate(rows)
    )
    head = "<?xml version='1.0' encoding='UTF-8'?>\n<results preview='0'>"
    return f"{head}<meta><fieldOrder>{order}</fieldOrder></meta>{results}</results>".encode()


def _xml_field(name: str, value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    inside = "".join(f"<value><text>{escape(str(each))}</text></value>" for each in values)
    return f"<field k={quoteattr(name)}>{inside}</field>"
