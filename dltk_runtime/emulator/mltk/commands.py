"""``fit``, ``apply``, ``summary``, ``listmodels`` and ``deletemodel`` on frames.

A failed call does not end the search: the rows stay unchanged and a message has the reason, as in Splunk.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dltk_runtime.client.errors import ReplyUnreadable, Unreachable
from dltk_runtime.client.http import Container
from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk import reply, request
from dltk_runtime.emulator.mltk.grammar import ApplyCommand, FitCommand
from dltk_runtime.emulator.mltk.kept import Kept, KeptModels
from dltk_runtime.emulator.mltk.results import Result, SearchMessage, failed, info, once
from dltk_runtime.emulator.mltk.stubs import Stub, Stubs, make_stub
from dltk_runtime.emulator.mltk.toolkit import ALGORITHMS, add_results, train
from dltk_runtime.settings import ClientSettings

# Constant columns of listmodels: all stubs are in one folder, without an owner.
OWNER, APP, SHARING = "nobody", "search", "app"


@dataclass(frozen=True, slots=True)
class Mltk:
    """Splunk's side of one container: its address, the stubs, and the limits of mlspl.conf.

    `apply_timeout` is in seconds; Splunk itself has none.
    """

    client: ClientSettings
    stubs: Stubs
    limits: Mapping[str, Any] = field(default_factory=lambda: request.LIMITS)
    apply_timeout: float | None = None

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
            self.stubs.write(make_stub(fit.model, fit.algorithm, meta))
            self.kept.delete(fit.model)
        fitted = _joined(results, messages)
        return fitted if fit.apply else Result(rows, fitted.messages)

    @property
    def kept(self) -> KeptModels:
        """The models of the toolkit's algorithms, beside the stubs."""
        return KeptModels(self.stubs.folder)

    def find(self, name: str, *, summary: bool = False) -> Stub | Kept:
        """Return the model `name`, of a container or of the toolkit; `summary` tells what for.

        Raises:
            SearchInvalid: there is none, or the toolkit's summary is asked for.
        """
        kept = self.kept.read(name)
        if kept is None:
            return self.stubs.read(name)
        if summary:
            raise SearchInvalid(f"the summary of a {kept.algorithm} runs in Splunk only")
        return kept

    def _fit_toolkit(self, rows: pd.DataFrame, fit: FitCommand, messages: list[SearchMessage]) -> Result:
        """Train one of the toolkit's algorithms; its results stand beside all rows."""
        columns = list(rows.columns)
        target = next(iter(request.expand_globs(fit.options.get("target_variable", []), columns)), None)
        names = request.expand_globs(fit.options["feature_variables"], columns)
        used, warnings = request.select(rows, [*([target] if target else []), *(n for n in names if n != target)])
        algorithm = ALGORITHMS[fit.algorithm]
        params = algorithm.read(fit.options.get("params", {}))
        if algorithm.seeded and "random_state" not in params:
            params["random_state"] = secrets.randbelow(2**31)
        if target is not None and target not in used.columns:
            raise SearchError(f"Missing field(s): {target}.")
        trained = train(fit.algorithm, params, used, target)
        if fit.model:
            options = {**fit.options, "algo_name": fit.algorithm}
            kept = Kept(fit.model, fit.algorithm, params, options, target, used.to_csv(index=False))
            self.kept.write(kept)
            self.stubs.path(fit.model).unlink(missing_ok=True)
        made = add_results(trained, rows, fit.options.get("output_name")) if fit.apply else rows
        return Result(made, (*messages, *warnings))

    def apply(self, frame: pd.DataFrame, apply: ApplyCommand, stub: Stub | Kept) -> Result:
        """Score `frame` with a model, with one call per `CHUNK_ROWS` rows."""
        if isinstance(stub, Kept):
            if apply.params:
                raise SearchError(f"parameters of apply with a {stub.algorithm} run in Splunk only.")
            name = apply.output_name or stub.options.get("output_name")
            return Result(add_results(stub.trained(), request.infer(frame), name))
        meta = request.apply_meta(apply, stub)
        pieces = (request.infer(chunk) for chunk in request.chunks(frame, request.CHUNK_ROWS))
        return _joined([self._call("/apply", piece, meta, stub.target) for piece in pieces])

    def summary(self, stub: Stub | Kept) -> Result:
        """Return one row: `summary` (JSON of the model used last), `name`, `api_url_external`."""
        try:
            answer = reply.read_json(Container.of(self.client).get("/summary"))
        except (Unreachable, ReplyUnreadable) as error:
            return Result(pd.DataFrame(), (failed(error),))
        text = answer if isinstance(answer, str) else json.dumps(answer)
        row = {"summary": text, "name": stub.name, "api_url_external": self.client.url}
        return Result(pd.DataFrame([row]))

    def listmodels(self) -> Result:
        """Return one row per stub: name, type, options, owner, app, sharing."""
        stubs: list[Stub | Kept] = [self.stubs.read(name) for name in self.stubs.names()]
        stubs += [kept for name in self.kept.names() if (kept := self.kept.read(name)) is not None]
        columns = ["name", "type", "options", "owner", "app", "sharing"]
        rows = [
            [stub.name, stub.algorithm, json.dumps(stub.options), OWNER, APP, SHARING]
            for stub in sorted(stubs, key=lambda each: each.name)
        ]
        return Result(pd.DataFrame(rows, columns=columns))

    def deletemodel(self, name: str) -> Result:
        """Remove the stub of a model; the container keeps its versions."""
        if self.kept.read(name) is None:
            self.stubs.delete(name)
        self.kept.delete(name)
        return Result(pd.DataFrame(), (info(f'Deleted model "{name}".'),))

    def _call(self, path: str, rows: pd.DataFrame, meta: Mapping[str, Any], target: str | None = None) -> Result:
        """POST `rows` and return them with result columns, or unchanged with an error message."""
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
