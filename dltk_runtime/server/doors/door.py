"""What all doors do with a request: receive it, apply the model, answer, and account for it."""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from dltk_runtime import logs
from dltk_runtime.apply.apply import Applied
from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Call
from dltk_runtime.call import Request as Sent
from dltk_runtime.errors import BAD_DATA, DltkError, RequestError
from dltk_runtime.names import STATUS, ModelName
from dltk_runtime.payload import Forms, Payload
from dltk_runtime.server import body, protocol, refusals
from dltk_runtime.server.answering import unless_gone
from dltk_runtime.server.doors.wording import refusal
from dltk_runtime.server.errors import OUTCOME_GONE, NoModel
from dltk_runtime.server.request_id import request_id
from dltk_runtime.service.service import Service

MAX_WARNING_CHARACTERS = 4000  # of a header; an answer of more is refused by some clients
VERSION, ROWS, WARNING = "dltk-version", "dltk-rows", "dltk-warning"  # headers of answers


@dataclass(frozen=True, slots=True)
class Books:
    """Where answered calls and reasons of refusals are counted."""

    account: Callable[[Call, str, float], None]
    refused: Callable[[str], None]


UNKEPT = Books(lambda _call, _outcome, _seconds: None, lambda _reason: None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The model that a request is for, and the number of the version that must answer, if it says so."""

    name: ModelName
    version: int | None = None

    def request(self, rows: Payload, forms: Forms, parameters: Mapping[str, str]) -> Sent:
        """Make the apply of some rows.

        Raises:
            NoModel: the name is that of the container's status.
        """
        if self.name.algorithm == STATUS:
            raise NoModel(STATUS)
        params = {**parameters, "algo": self.name.algorithm}
        made = Sent.of(rows, {"options": {"params": params, "model_name": self.name.model}})
        return replace(made, fields_of_fit=False, version=self.version, forms=forms)


class Door(ABC):
    """One door. The token is checked before `handle`, which leaves its holder in `request.state`."""

    route: str  # in metrics, log and traces

    def __init__(self, service: Service, books: Books) -> None:
        self._service = service
        self._settings = service.settings
        self.books = books

    @abstractmethod
    async def asked(self, request: Request, upload: Upload) -> Sent:
        """Receive what a request asks.

        Raises:
            DltkError: it is not what this door takes.
        """

    @abstractmethod
    def answered(self, sent: Sent, applied: Applied, /) -> Response:
        """Make the answer."""

    async def handle(self, request: Request) -> Response:
        """Apply a model; a failure has the status of its kind and the form of the door."""
        who = request.state
        call = Call(request_id(request.scope), self.route, holder=who.holder, actor=who.actor)
        began = time.monotonic()
        upload = self._service.upload(self.route)
        try:
            response, outcome = await self._applied(request, call, upload), "success"
        except DltkError as error:
            response, outcome = self.refused(request, error), error.worded(self._settings.error_texts)
            if isinstance(error, RequestError):
                self.books.refused(refusals.reason_of(error))
        except ClientDisconnect:
            response, outcome = Response(), OUTCOME_GONE
        except Exception:  # noqa: BLE001 - the client gets this door's own answer, whatever went wrong here
            logs.log.exception("fault in the runtime", extra={"fields": {"request": call.id}})
            self.books.refused(refusals.FAULT)
            response, outcome = self.fault(request, call), "fault"
        finally:
            upload.close()
        asyncio.get_running_loop().call_soon(self.books.account, call, outcome, time.monotonic() - began)
        return response

    def refused(self, request: Request, error: DltkError) -> Response:
        """Make the answer that says what is wrong."""
        status = 400 if error.opening == BAD_DATA and not isinstance(error, RequestError) else error.http_status
        return JSONResponse(refusal(request.url.path, status, error.sentence), status)

    def fault(self, request: Request, call: Call) -> Response:
        """Make the answer for an error of the runtime itself."""
        return JSONResponse(refusal(request.url.path, 500, protocol.fault_sentence(call.id)), 500)

    async def receive(self, request: Request, upload: Upload, prefix: bytes = b"") -> Payload:
        """Receive the rows, whatever they are, behind `prefix`."""
        return await body.receive_rows(request, self._settings.max_body, upload, prefix)

    async def _applied(self, request: Request, call: Call, upload: Upload) -> Response:
        sent = await self.asked(request, upload)
        call.client = request.client.host if request.client else "", sent.origin
        call.meta = sent.meta
        applied = await unless_gone(request, call, self._service.apply(sent, call), self._service)
        if not isinstance(applied, Applied):
            raise NoModel(STATUS)
        return self.answered(sent, applied)


def headers_of(applied: Applied) -> dict[str, str]:
    """Return the facts of an answer that its body has no place for."""
    headers = {VERSION: str(applied.version.number), ROWS: str(applied.rows)}
    if applied.warnings:
        headers[WARNING] = json.dumps(warnings_of(applied))[1:-1][:MAX_WARNING_CHARACTERS]
    return headers


def warnings_of(applied: Applied) -> str:
    """Return all warnings as one text."""
    return ". ".join(each.rstrip(".") for each in applied.warnings)


def model_of(text: str) -> ModelName:
    """Return the model that ``algorithm.model`` names.

    Raises:
        NoModel: it has no dot, or several.
        NameInvalid: one of the two is no name.
    """
    algorithm, dot, model = text.partition(".")
    if not dot or "." in model:
        raise NoModel(text)
    return ModelName(algorithm, model)
