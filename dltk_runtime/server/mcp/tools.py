"""What the front does when an agent calls a tool, with the rights of the request's token."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from dltk_runtime import logs
from dltk_runtime.access.holder import Holder, Right
from dltk_runtime.apply.apply import Applied
from dltk_runtime.call import Call
from dltk_runtime.errors import BodyInvalid, DltkError
from dltk_runtime.files.records import decoded
from dltk_runtime.jobs.view import JobView
from dltk_runtime.names import STATUS, ModelName
from dltk_runtime.payload import Form, Forms, Payload
from dltk_runtime.server import protocol, refusals
from dltk_runtime.server.answering import unless_gone
from dltk_runtime.server.doors.columns import inputs_of, outputs_of
from dltk_runtime.server.doors.door import Books, Wanted
from dltk_runtime.server.errors import OUTCOME_GONE, NoModel, VersionInvalid
from dltk_runtime.server.mcp.wire import Do, Done
from dltk_runtime.server.request_id import request_id
from dltk_runtime.service.service import Service
from dltk_runtime.store.local_models import LocalModels
from dltk_runtime.units import MIB

ROUTE = "/mcp"
MAX_RESULT_BYTES = 16 * MIB  # of JSON: the SDK writes them twice, as text and as an object


class ResultsTooLarge(DltkError):
    """A model answered more than an agent's client should get."""

    http_status = 413

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The results have {size:,} bytes, and {MAX_RESULT_BYTES:,} may go through /mcp. "
            "Send fewer rows, or use POST /v1/models/{algorithm}/{model}/apply."
        )


class _Named(msgspec.Struct, frozen=True):
    algorithm: str
    model: str

    @property
    def name(self) -> ModelName:
        return ModelName(self.algorithm, self.model)


class _Job(msgspec.Struct, frozen=True):
    job: str


class _Apply(_Named, frozen=True):
    rows: msgspec.Raw
    version: int | None = None
    parameters: dict[str, str] = {}


Arguments = TypeVar("Arguments", bound=msgspec.Struct)


class ServiceTools:
    """The tools of one service; `books` is where applies are counted."""

    def __init__(self, service: Service, books: Books) -> None:
        self._service = service
        self._books = books

    async def run(self, request: Request, do: Do) -> Done:
        """Call one tool; what fails says why."""
        holder: Holder = request.state.holder
        try:
            return Done(do.number, await self._run(request, holder, do))
        except DltkError as error:
            return Done(do.number, error=error.sentence)
        except ClientDisconnect:
            return Done(do.number, error=OUTCOME_GONE)
        except Exception:  # noqa: BLE001 - the client gets an answer, whatever went wrong here
            logs.log.exception("fault in the runtime", extra={"fields": {"request": request_id(request.scope)}})
            self._books.refused(refusals.FAULT)
            return Done(do.number, error=protocol.fault_sentence(request_id(request.scope)))

    async def _run(self, request: Request, holder: Holder, do: Do) -> bytes:
        match do.tool:
            case "list_models":
                return _json(await asyncio.to_thread(self._models, holder))
            case "describe_model":
                name = _arguments(do, _Named).name
                return _json(await asyncio.to_thread(self._described, holder, name))
            case "job_state":
                job = _arguments(do, _Job).job
                return _json(await asyncio.to_thread(self._state, holder, job))
            case "apply_model":
                return await self._apply(request, _arguments(do, _Apply))
        raise LookupError(do.tool)  # a fault: the helper offers these four

    def _models(self, holder: Holder) -> dict[str, Any]:
        holder.check(Right.READ)
        found = LocalModels(self._service.store).list()
        seen = [each for each in found if holder.covers(ModelName(each.algorithm, each.model))]
        return {"models": [{"algorithm": a.algorithm, "model": a.model, "current": a.current} for a in seen]}

    def _described(self, holder: Holder, name: ModelName) -> dict[str, Any]:
        holder.check(Right.APPLY if holder.may(Right.APPLY) else Right.READ, name)
        view = LocalModels(self._service.store).get(name)
        current = self._service.store.get(name, view.current) if view.current else None
        columns = {"inputs": inputs_of(current), "outputs": outputs_of(current)} if current else {}
        described: dict[str, Any] = msgspec.to_builtins(view)
        return described | columns

    def _state(self, holder: Holder, job: str) -> JobView:
        record = self._service.jobs.get(job)
        holder.check(Right.READ, ModelName(record.algorithm, record.model))
        return JobView.of(record, 0)

    async def _apply(self, request: Request, asked: _Apply) -> bytes:
        """Apply a model as every door does; it is counted and logged as this door's."""
        if asked.version is not None and asked.version < 1:
            raise VersionInvalid(str(asked.version))
        call = Call(request_id(request.scope), ROUTE, holder=request.state.holder, actor=request.state.actor)
        call.client = request.client.host if request.client else "", None
        began, outcome = time.monotonic(), "fault"
        try:
            rows = Payload(bytes(asked.rows), escaped=False)
            sent = Wanted(asked.name, asked.version).request(rows, Forms(Form.JSON, Form.JSON), asked.parameters)
            applied = await unless_gone(request, call, self._service.apply(sent, call), self._service)
            if not isinstance(applied, Applied):
                raise NoModel(STATUS)
            outcome = "success"
        except DltkError as error:
            outcome = error.worded(self._service.settings.error_texts)
            raise
        except ClientDisconnect:
            outcome = OUTCOME_GONE
            raise
        finally:
            self._books.account(call, outcome, time.monotonic() - began)
        if len(applied.results) > MAX_RESULT_BYTES:
            raise ResultsTooLarge(len(applied.results))
        facts = {"version": applied.version.number, "warnings": list(applied.warnings)}
        return json.dumps(facts)[:-1].encode() + b', "rows": ' + bytes(applied.results.view()) + b"}"


def _arguments(do: Do, kind: type[Arguments]) -> Arguments:
    """Return the arguments of a tool.

    Raises:
        BodyInvalid: the first one that is none.
    """
    try:
        return decoded(do.arguments, kind)
    except ValueError as error:
        raise BodyInvalid(f"The arguments of {do.tool} are not as its schema says: {error}.") from error


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)
