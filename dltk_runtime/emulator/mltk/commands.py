"""``fit``, ``apply``, ``summary``, ``listmodels`` and ``deletemodel`` on frames.

A failed call does not end the search: the rows stay unchanged and a message has the reason, as in Splunk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dltk_runtime.client.errors import ReplyUnreadable, Unreachable
from dltk_runtime.client.http import Container
from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk import by_arrow, reply, request
from dltk_runtime.emulator.mltk.grammar import CONTAINERS, ApplyCommand, FitCommand
from dltk_runtime.emulator.mltk.kept import KeptModel, KeptModels, make_kept
from dltk_runtime.emulator.mltk.results import Result, SearchMessage, failed, info, once, warn
from dltk_runtime.emulator.mltk.stub import Stub, make_stub, runs_in_splunk
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.emulator.mltk.toolkit import ALGORITHMS, add_results
from dltk_runtime.settings import ClientSettings

# Constant columns of listmodels: all stubs are in one folder, without an owner.
OWNER, APP, SHARING = "nobody", "search", "app"


@dataclass(frozen=True, slots=True)
class Mltk:
    """Splunk's side of one container: its address, the stubs, and the limits of mlspl.conf.

    `apply_timeout` is in seconds; Splunk itself has none. With `arrow` the rows of applies go as Arrow streams.
    """

    client: ClientSettings
    stubs: Stubs
    limits: Mapping[str, Any] = field(default_factory=lambda: request.LIMITS)
    apply_timeout: float | None = None
    arrow: bool = False

    def fit(self, frame: pd.DataFrame, fit: FitCommand) -> Result:
        """Train on `frame`. As in MLTK, the stub is written even if the container reports an error.

        Raises:
            SearchError: the fit took longer than `max_fit_time`; no stub is written.
        """
        rows, messages = request.draw_sample(request.infer(frame), fit, self.limits)
        if fit.algorithm in ALGORITHMS:
            return self._fit_toolkit(rows, fit, messages)
        meta = request.fit_meta(fit, list(rows.columns), self.limits)
        size = request.CHUNK_ROWS if fit.partial else max(len(rows), 1)
        results = [self._call("/fit", chunk, meta) for chunk in request.chunks(rows, size)]
        if fit.model:
            self.stubs.write(make_stub(fit.model, fit.algorithm, meta, self.client.url))
            self.kept.delete(fit.model)
        fitted = _joined(results, messages)
        return fitted if fit.apply else Result(rows, fitted.messages)

    @property
    def kept(self) -> KeptModels:
        """The models of the toolkit's algorithms, beside the stubs."""
        return KeptModels(self.stubs.folder)

    def find(self, name: str) -> Stub | KeptModel:
        """Return the model `name`, of a container or of the toolkit.

        Raises:
            SearchInvalid: there is none, or its file cannot be read.
        """
        return self.kept.read(name) or self.stubs.read(name)

    def require(self, name: str) -> None:
        """Check that there is a model of that name, readable or not.

        Raises:
            SearchInvalid: there is none.
        """
        if not self.kept.path(name).is_file():
            self.stubs.require(name)

    def _fit_toolkit(self, rows: pd.DataFrame, fit: FitCommand, messages: list[SearchMessage]) -> Result:
        """Train one of the toolkit's algorithms; its results stand beside all rows."""
        kept, warnings = make_kept(fit, rows)
        made = add_results(kept.trained(), rows, fit.options.get("output_name")) if fit.apply else rows
        if fit.model:
            self.kept.write(kept)
            self.stubs.path(fit.model).unlink(missing_ok=True)
        return Result(made, (*messages, *warnings))

    def apply(self, frame: pd.DataFrame, apply: ApplyCommand, stub: Stub | KeptModel) -> Result:
        """Score `frame` with a model, with one call per `CHUNK_ROWS` rows.

        Raises:
            SearchInvalid: the model runs inside Splunk.
        """
        if isinstance(stub, KeptModel):
            return stub.apply(request.infer(frame), apply)
        _check_type(stub)
        meta = request.apply_meta(apply, stub)
        pieces = (request.infer(chunk) for chunk in request.chunks(frame, request.CHUNK_ROWS))
        return _joined([self._call("/apply", piece, meta, stub.named_after) for piece in pieces], _notices(stub))

    def summary(self, stub: Stub | KeptModel) -> Result:
        """Return one row: `summary` (JSON of the model used last), `name`, `api_url_external`.

        Raises:
            SearchInvalid: the model runs inside Splunk.
        """
        if isinstance(stub, KeptModel):
            raise SearchInvalid(f"the summary of a {stub.algorithm} runs in Splunk only")
        _check_type(stub)
        try:
            answer = reply.read_json(Container.of(self.client).get("/summary"))
        except (Unreachable, ReplyUnreadable) as error:
            return Result(pd.DataFrame(), (failed(error),))
        text = answer if isinstance(answer, str) else json.dumps(answer)
        row = {"summary": text, "name": stub.name, "api_url_external": self.client.url}
        return Result(pd.DataFrame([row]))

    def listmodels(self) -> Result:
        """Return one row per stub: name, type, options, owner, app, sharing.

        A file that cannot be read is a row without type and options, and a warning.
        """
        rows: list[list[str]] = []
        messages: list[SearchMessage] = []
        for name in self.stubs.names():
            try:
                stub = self.stubs.read(name)
            except SearchInvalid as error:
                rows.append([name, "", "", OWNER, APP, SHARING])
                messages.append(warn(error.sentence))
            else:
                rows.append([name, stub.algorithm, json.dumps(stub.options), OWNER, APP, SHARING])
                messages += _notices(stub)
        for name in self.kept.names():
            kept = self.kept.read(name)
            if kept is not None:
                rows.append([name, kept.algorithm, json.dumps(kept.options), OWNER, APP, SHARING])
        rows.sort()
        columns = ["name", "type", "options", "owner", "app", "sharing"]
        return Result(pd.DataFrame(rows, columns=columns), tuple(messages))

    def deletemodel(self, name: str) -> Result:
        """Remove the stub of a model; the container keeps its versions."""
        if not self.kept.delete(name):
            self.stubs.delete(name)
        return Result(pd.DataFrame(), (info(f'Deleted model "{name}".'),))

    def _call(self, path: str, rows: pd.DataFrame, meta: Mapping[str, Any], target: str | None = None) -> Result:
        """POST `rows` and return them with result columns, or unchanged with an error message."""
        data, messages = request.select(rows, request.used(meta))
        try:
            timeout = float(self.limits["max_fit_time"]) if path == "/fit" else self.apply_timeout
            container = Container.of(self.client, timeout)
            if self.arrow and path == "/apply" and len(data.columns):
                answer = by_arrow.apply(container, data, meta)
            else:
                answer = reply.read(container.post(path, request.body(data, meta)))
        except (Unreachable, ReplyUnreadable) as error:
            if timeout and path == "/fit" and isinstance(error.__cause__, TimeoutError):
                raise _killed(timeout) from error
            return Result(rows, (*messages, failed(error)))
        if answer.results is None:
            return Result(rows, (*messages, answer.message))
        name = meta["options"].get("output_name")
        target = next(iter(meta.get("target_variables", [])), target)
        return Result(reply.merge(rows, answer.results, target, name), (*messages, answer.message))


def _check_type(stub: Stub) -> None:
    if stub.algorithm not in CONTAINERS:
        raise SearchInvalid(runs_in_splunk(stub))


def _notices(stub: Stub) -> list[SearchMessage]:
    return [warn(f'model "{stub.name}": {stub.notice}')] if stub.notice else []


def _killed(seconds: float) -> SearchError:
    """Make the error of a search that Splunk ends because its fit takes too long.

    The container continues to train.
    """
    return SearchError(
        f"max_fit_time: Splunk ends a search whose fit takes more than {seconds:g} s, and stores no model. "
        "Add mode=async to the fit, so that it returns at once"
    )


def _joined(results: list[Result], before: Iterable[SearchMessage] = ()) -> Result:
    """Concatenate the rows of all chunks, and remove repeated messages."""
    messages = once([*before, *(message for result in results for message in result.messages)])
    if len(results) == 1:
        return Result(results[0].frame, messages)
    return Result(pd.concat([result.frame for result in results], ignore_index=True), messages)
