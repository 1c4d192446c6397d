"""Judge a mistake: run the app over a few windows, and compare what it did with what it does without.

What counts: errors, the records in indexes and collections, what the container is asked for, the
starts of a day, the rows of alerts, reports and panels. Runs and their order follow the schedules of
the app itself::

    day 1, 10:40    ── searches that write and need no model: three windows
    by hand         ── searches with `fit` that have no schedule
    day 2, 00 to 06 ── trainings
    day 2, 10:40    ── everything that writes: three windows, a second run of the first,
                       one run with a dead container
    then            ── alerts, now and six hours later; what people click; panels and reports; a training
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from dltk_runtime.emulator.mltk.stub import Stub
from dltk_runtime.emulator.standin import Window
from dltk_runtime.errors import DltkError
from dltk_runtime.flows import cron
from dltk_runtime.flows.app import AppSearch, find_apps
from dltk_runtime.flows.rehearsal.world import BEGIN, World, make_world, window_of
from dltk_runtime.flows.spl import has_command
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, Standin, standin

DAY, HOUR, MINUTE = 86_400, 3_600, 60
FIRST, SECOND = BEGIN + 10 * HOUR, BEGIN + 34 * HOUR
RUNS = 3
CLICKED = {
    "verdict": "dga",
    "note": 'a "b"',
    "env:user": "anna",
    "pattern": ".",
    "tick": "0",
    "why": "any",
    "entity": "Web01",
    "share": "0.001",
}
_TOKEN = re.compile(r"\$([\w:.]+)(\|s)?\$")
_DOMAINS = (
    "blue.com",
    "X4kq9zt7bd.net",
    "river-stone.org",
    "q8w7zx5k2.com",
    "coffee.net",
    "zz9plk4h7t.info",
    'od"d.net',
)
Fact = tuple[str, str]


def sample() -> str:
    """Return events of two days, each in the hour that is rehearsed: names in both cases, one without a verdict."""
    lines = ["offset,query,verdict,host,cpu,memory,latency"]
    for begin in (FIRST - BEGIN, SECOND - BEGIN):
        lines += [f"{begin + second},,bad,,,," for second in range(5, HOUR, 100)]  # events without the field
        for number in range(360):
            name = (
                _DOMAINS[number % len(_DOMAINS)] if number % 3 else f"h{number * 7919 % 1000}-{'a' * (number % 9)}.net"
            )
            verdict = ("good", "bad", "good", "", "bad")[number % 5]
            quoted = name.replace('"', '""')
            metrics = f"Web0{number % 4},{number * 7919 % 100},{number % 60},{number * 31 % 500}"
            lines.append(f'{begin + number * 10},"{quoted}",{verdict},{metrics}')
    return "\n".join(lines) + "\n"


def answered(path: str, payload: Mapping[str, Any]) -> tuple[int, bytes]:
    """Answer as a container does whose predictions follow from the feature's values alone."""
    meta = payload["meta"]
    features = list(meta.get("feature_variables") or ())
    rows = list(csv.DictReader(io.StringIO(payload["data"])))
    if missing := [name for name in features if rows and name not in rows[0]]:
        return 200, json.dumps({"status": "error", "message": f"missing {missing}"}).encode()
    status = "dltk_status" in json.dumps(meta.get("options", {}))
    targets = meta.get("options", {}).get("target_variable")
    named = "y,is_dga,dga_score,model_version" if targets else "outlier,is_outlier,score,model_version"
    lines = ["kind,job,version,state,rows,metrics,message,model" if status else named]
    for number, row in enumerate(rows):
        score = _score([row[name] for name in features])
        verdict = int(score >= 0.5)
        lines.append(f"job,j{number},1,succeeded,9,a,m,x_v1" if status else f"{verdict},{verdict},{score},1")
    reply = {"status": "success", "message": f"{path} done successfully", "results": "\n".join(lines) + "\n"}
    return 200, json.dumps(reply).encode()


def _score(values: list[str]) -> float:
    return round(int(hashlib.sha256(repr(values).encode()).hexdigest()[:4], 16) / 65_535, 3)


def failing(path: str, payload: Mapping[str, Any]) -> tuple[int, bytes]:
    """Answer as a container does that cannot serve."""
    return 503, b"{}"


@dataclass(slots=True)
class Rehearsed:
    """One app over its storage, in front of a container that the test answers for."""

    world: World
    container: Standin

    def facts(self) -> Iterator[Fact]:
        """Yield what the app does, in order; the first difference decides."""
        yield "starts", json.dumps(self._starts())
        searches = self.world.app.searches
        before = [each for each in searches if self._writes(each) and not self._says(each, "fit", "apply")]
        yield from self._windows(before, FIRST + 40 * MINUTE)
        hand = [each for each in searches if not each.view and self._says(each, "fit") and not each.scheduled]
        for search in hand:
            yield from self._run(search, BEGIN + DAY + MINUTE)
        trained = [each for each in searches if self._says(each, "fit") and each.scheduled]
        for search in trained:
            yield from self._at(search, BEGIN + DAY, 1)
        writers = [each for each in searches if self._writes(each)]
        yield from self._windows(writers, SECOND + 40 * MINUTE)
        yield from self._again(writers)
        yield from self._looked_at(trained)

    def _again(self, writers: list[AppSearch]) -> Iterator[Fact]:
        for search in [each for each in writers if not self._says(each, "apply")]:
            start = next(self._times(search, SECOND + 40 * MINUTE), None)
            if start is not None:
                yield from self._run(search, SECOND + 70 * MINUTE, _shifted(search, start))
        self.container.answer = failing
        for search in [each for each in writers if self._says(each, "apply")]:
            yield from self._at(search, SECOND + 71 * MINUTE, 1)
        self.container.answer = answered
        yield from self._stored()

    def _looked_at(self, trained: list[AppSearch]) -> Iterator[Fact]:
        searches = self.world.app.searches
        alerts = [each for each in searches if each.scheduled and not self._writes(each) and each not in trained]
        for now in (SECOND + 75 * MINUTE, SECOND + 7 * HOUR):
            for search in alerts:
                yield from self._at(search, now, 1)
        rest = [each for each in searches if each.view or not (each.scheduled or self._says(each, "fit"))]
        for search in sorted(rest, key=lambda each: not self._says(each, "outputlookup", "collect")):
            yield from self._run(search, SECOND + 2 * HOUR, self._day(search))
        yield from self._stored()
        for search in trained:
            yield from self._at(search, BEGIN + 2 * DAY, 1)

    def _windows(self, searches: list[AppSearch], begin: float) -> Iterator[Fact]:
        runs = [(start, search) for search in searches for start in islice(self._times(search, begin), RUNS)]
        for start, search in sorted(runs, key=lambda run: run[0]):
            if start < begin + HOUR:
                yield from self._run(search, start)
        yield from self._stored()

    def _at(self, search: AppSearch, begin: float, most: int) -> Iterator[Fact]:
        for start in islice(self._times(search, begin), most):
            yield from self._run(search, start)

    def _times(self, search: AppSearch, begin: float) -> Iterator[float]:
        try:
            yield from cron.starts(search.stanza.get("cron_schedule"), begin, begin + DAY)
        except DltkError:
            return

    def _run(self, search: AppSearch, now: float, window: Window | None = None) -> Iterator[Fact]:
        asked = len(self.container.requests)
        # Splunk chooses a span by the time range.
        seen = replace(search, text=re.sub(r"\btimechart (?!span)", "timechart span=1h ", search.text))
        try:
            result = self.world.run(seen, now, window, self._tokens(search))
            if self._writes(search):
                yield search.name, "done"
            else:
                frame = result.frame
                yield search.name, _rows(frame.astype(object).fillna("").astype(str).to_dict("records"))
            yield search.name, json.dumps([_without_address(message.text) for message in result.messages])
        except DltkError as error:
            yield search.name, f"error: {_without_address(str(error))}"
        for path, payload in self.container.requests[asked:]:
            yield search.name, f"{path} {_request(payload)}"

    def _stored(self) -> Iterator[Fact]:
        for index in self.world.storage.indexes:
            yield index.name, _rows([{**dict(each.fields), "_at": str(each.time)} for each in index.events()])
        for stanza in self.world.app.conf("collections.conf"):
            yield stanza.name, _rows(self.world.storage.kvstore[stanza.name].query())

    def _starts(self) -> dict[str, list[float]]:
        return {
            each.name: [start - BEGIN for start in self._times(each, BEGIN)]
            for each in self.world.app.searches
            if each.scheduled
        }

    def _tokens(self, search: AppSearch) -> dict[str, str]:
        if not search.view:
            return {}
        keys = [str(row["_key"]) for name in ("queue", "labels") for row in self._collection(name)]
        known = {"key": min(keys, default="k"), "second_key": max(keys, default="k"), **CLICKED}
        return {name: known.get(name, "1") for name, _ in _TOKEN.findall(search.text)}

    def _collection(self, ending: str) -> list[dict[str, Any]]:
        found = [each.name for each in self.world.app.conf("collections.conf") if each.name.endswith(f"_{ending}")]
        return self.world.storage.kvstore[found[0]].query() if found else []

    def _day(self, search: AppSearch) -> Window | None:
        fixed = search.stanza.get("dispatch.earliest_time")[:1] in ("-", "@")
        return None if fixed else Window(SECOND - DAY, SECOND + 2 * HOUR)

    def _writes(self, search: AppSearch) -> bool:
        return search.scheduled and self._says(search, "collect", "mcollect", "outputlookup")

    def _says(self, search: AppSearch, *names: str) -> bool:
        return has_command(self.world.app.readable(search), *names)


def _shifted(search: AppSearch, start: float) -> Window:
    """Return the window of the search at an earlier start: what a backfill dispatches."""
    return window_of(search, start)


def _without_address(text: str) -> str:
    return re.sub(r"127\.0\.0\.1:\d+", "container", text)


def _rows(rows: list[dict[str, Any]]) -> str:
    return "\n".join(sorted(json.dumps(row, sort_keys=True, default=str) for row in rows))


def _request(payload: Mapping[str, Any]) -> str:
    """Return what the container is asked: the options, and of the rows no column but those that it uses."""
    meta = payload["meta"]
    used = {*(meta.get("feature_variables") or ()), *(meta.get("target_variables") or ())}
    rows = [
        {name: value for name, value in row.items() if name in used}
        for row in csv.DictReader(io.StringIO(payload["data"]))
    ]
    return json.dumps(meta, sort_keys=True) + _rows(rows)


@contextmanager
def rehearsed(texts: Mapping[str, str], folder: Path) -> Iterator[Rehearsed]:
    """Write the apps into `folder`, and yield them ready to run."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "sample.csv").write_text(sample())
    with standin() as container:
        container.answer = answered
        client = ClientSettings(url=container.url, token=TOKEN)
        world = make_world(find_apps(folder), folder / "sample.csv", client, folder / "lookups")
        world.context.mltk.stubs.write(_stub())
        quick = replace(world.context.mltk, apply_timeout=20)
        yield Rehearsed(replace(world, context=replace(world.context, mltk=quick)), container)


def _stub() -> Stub:
    """Return an entry under another name: models of the app come about by its own searches."""
    options = {"params": {"algo": "other"}, "model_name": "other_v1", "target_variable": ["y"]}
    return Stub("other_v1", "MLTKContainer", options, ("a",), "y")


def behaviour(texts: Mapping[str, str], folder: Path) -> list[Fact]:
    """Return everything that the app does."""
    with rehearsed(texts, folder) as app:
        return list(app.facts())


def difference(texts: Mapping[str, str], folder: Path, without: list[Fact]) -> str:
    """Return the first thing that the app does otherwise than `without` the mistake, or ""."""
    try:
        with rehearsed(texts, folder) as app:
            for one, two in zip_longest(app.facts(), without):
                if one != two:
                    return f"{(one or two or ('', ''))[0]}"
    except DltkError as error:
        return f"cannot be read: {error}"
    return ""
