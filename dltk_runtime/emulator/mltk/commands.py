"""``fit``, ``apply``, ``summary``, ``listmodels`` and ``deletemodel`` over frames.

A call that fails does not fail the search: the rows pass unchanged and a message says why, as in Splunk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dltk_runtime.client.errors import ReplyUnreadable, Unreachable
from dltk_runtime.client.http import Container
from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.mltk import reply, request
from dltk_runtime.emulator.mltk.grammar import ApplyCommand, FitCommand
from dltk_runtime.emulator.mltk.results import Result, SearchMessage, failed, info, once
from dltk_runtime.emulator.mltk.stubs import Stub, Stubs, make_stub
from dltk_runtime.settings import ClientSettings

# Where a model is said to live: stubs have one folder, and nobody in particular owns it.
OWNER, APP, SHARING = "nobody", "search", "app"


@dataclass(frozen=True, slots=True)
class Mltk:
    """Splunk's side of one container: whom to call, where the stubs lie, and the limits of mlspl.conf.

    `apply_timeout` is in seconds; Splunk itself has none.
    """

    client: ClientSettings
    stubs: Stubs
    limits: Mapping[str, Any] = field(default_factory=lambda: request.LIMITS)
    apply_timeout: float | None = None

    def fit(self, frame: pd.DataFrame, fit: FitCommand) -> Result:
        """Train on `frame`. The stub is written whatever the container answers, as MLTK does.

        Raises:
            SearchError: it took longer than `max_fit_time`; there is no stub.
        """
        rows, messages = request.draw_sample(request.infer(frame), fit, self.limits)
        meta = request.fit_meta(fit, list(rows.columns), self.limits)
        size = request.CHUNK_ROWS if fit.partial else max(len(rows), 1)
        results = [self._call("/fit", chunk, meta) for chunk in request.chunks(rows, size)]
        if fit.model:
            self.stubs.write(make_stub(fit.model, fit.algorithm, meta))
        fitted = _joined(results, messages)
        return fitted if fit.apply else Result(rows, fitted.messages)

    def apply(self, frame: pd.DataFrame, apply: ApplyCommand, stub: Stub) -> Result:
        """Score `frame` with a model, one call for each 50,000 rows."""
        meta = request.apply_meta(apply, stub)
        pieces = (request.infer(chunk) for chunk in request.chunks(frame, request.CHUNK_ROWS))
        return _joined([self._call("/apply", piece, meta, stub.target) for piece in pieces])

    def summary(self, stub: Stub) -> Result:
        """One row: `summary` (JSON text of the model used last), `name`, `api_url_external`."""
        try:
            answer = reply.read_json(Container.of(self.client).get("/summary"))
        except (Unreachable, ReplyUnreadable) as error:
            return Result(pd.DataFrame(), (failed(error),))
        text = answer if isinstance(answer, str) else json.dumps(answer)
        row = {"summary": text, "name": stub.name, "api_url_external": self.client.url}
        return Result(pd.DataFrame([row]))

    def listmodels(self) -> Result:
        """One row for each stub: name, type, options, owner, app, sharing."""
        stubs = [self.stubs.read(name) for name in self.stubs.names()]
        columns = ["name", "type", "options", "owner", "app", "sharing"]
        rows = [[stub.name, stub.algorithm, json.dumps(stub.options), OWNER, APP, SHARING] for stub in stubs]
        return Result(pd.DataFrame(rows, columns=columns))

    def deletemodel(self, name: str) -> Result:
        """Remove the stub; the container keeps its versions."""
        self.stubs.delete(name)
        return Result(pd.DataFrame(), (info(f'Deleted model "{name}".'),))

    def _call(self, path: str, rows: pd.DataFrame, meta: Mapping[str, Any], target: str | None = None) -> Result:
        """One POST for `rows`; their result columns, or the rows as they were and the message that says why."""
        data, messages = request.select(rows, request.used(meta))
        try:
            payload = request.body(data, meta)
            timeout = float(self.limits["max_fit_time"]) if path == "/fit" else self.apply_timeout
            answer = reply.read(Container.of(self.client, timeout).post(path, payload))
        except (Unreachable, ReplyUnreadable) as error:
            if timeout and path == "/fit" and isinstance(error.__cause__, TimeoutError):
                raise _killed(timeout) from error
            return Result(rows, (*messages, failed(error)))
        if answer.results is None:
            return Result(rows, (*messages, answer.message))
        name = meta["options"].get("output_name")
        target = next(iter(meta.get("target_variables", [])), target)
        return Result(reply.merge(rows, answer.results, target, name), (*messages, answer.message))


def _killed(seconds: float) -> SearchError:
    """Splunk ends a search whose fit takes longer; no stub is written, and the container trains on."""
    return SearchError(
        f"max_fit_time: Splunk ends a search whose fit takes more than {seconds:g} s, and keeps no model of that name. "
        "Add mode=async to the fit, so that it answers at once"
    )


def _joined(results: list[Result], before: Iterable[SearchMessage] = ()) -> Result:
    """The chunks' rows one below the other, and their messages once each."""
    messages = once([*before, *(message for result in results for message in result.messages)])
    if len(results) == 1:
        return Result(results[0].frame, messages)
    return Result(pd.concat([result.frame for result in results], ignore_index=True), messages)
