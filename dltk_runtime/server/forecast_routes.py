"""Routes for the AI Toolkit's ``| apply CDTSM``: forecasts by a notebook, and the two probes of such a server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dltk_runtime.apply.apply import Applied
from dltk_runtime.call import Call
from dltk_runtime.errors import DltkError
from dltk_runtime.server import body, forecast
from dltk_runtime.server.entry import admit
from dltk_runtime.server.errors import OUTCOME_GONE
from dltk_runtime.server.request_id import request_id
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.service.service import Service

SERVICE = "dltk-runtime"
MAX_ID_CHARACTERS = 128  # of a request's id that is sent back

Account = Callable[[Call, str, float], None]


class ForecastApi:
    """The routes of one service; `account` counts and logs each answered call."""

    def __init__(self, service: Service, tokens: Tokens, account: Account) -> None:
        self._service = service
        self._settings = service.settings
        self._tokens = tokens
        self._account = account

    def routes(self) -> list[Route]:
        """Return the routes for Starlette."""
        return [
            Route(forecast.ROUTE, self.infer, methods=["POST"]),
            Route("/health", self.health, methods=["GET"]),
            Route("/ready", self.ready, methods=["GET"]),
        ]

    async def health(self, _: Request) -> Response:
        """Answer: the server runs."""
        return JSONResponse({"status": "ok", "service": SERVICE})

    async def ready(self, _: Request) -> Response:
        """Answer whether the server's models are loaded."""
        ready = self._service.ready
        return JSONResponse({"status": "ready" if ready else "not_ready", "service": SERVICE}, 200 if ready else 503)

    async def infer(self, request: Request) -> Response:
        """Forecast the series of a request; a failure has the status of its kind and ``{"detail": …}``.

        Raises:
            HTTPException: the token is missing or wrong; the body is not read yet.
        """
        holder = admit(request, self._tokens)
        call = Call(request_id(request.scope), forecast.ROUTE, holder=holder, actor=request.state.actor)
        began, outcome = time.monotonic(), "fault"
        try:
            answer = Response(await self._forecast(request, call), media_type="application/json")
            outcome = "success"
        except ClientDisconnect:
            answer, outcome = Response(), OUTCOME_GONE
        except DltkError as error:
            answer, outcome = JSONResponse({"detail": error.sentence}, error.http_status), error.sentence
        finally:
            self._account(call, outcome, time.monotonic() - began)
        return answer

    async def _forecast(self, request: Request, call: Call) -> bytes:
        sent = await body.receive_whole(request, min(forecast.MAX_BODY_BYTES, self._settings.max_body))
        asked = await asyncio.to_thread(forecast.decode, sent, request.query_params.get("horizon"))
        name = self._settings.forecaster
        applied = await self._service.apply(asked.request(name), call)
        if not isinstance(applied, Applied):
            raise forecast.ForecastInvalid(name, "it reports the container's status")
        echoed = request.headers.get("request_id", call.id)[:MAX_ID_CHARACTERS]
        return await asyncio.to_thread(forecast.answer, asked, applied.results, echoed, name)
