"""The routes of the doors that are not below ``/v1``. Probes need no token, as elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dltk_runtime.errors import DltkError
from dltk_runtime.server.doors.door import Books
from dltk_runtime.server.doors.infer import Infer
from dltk_runtime.server.doors.scoring import ScoringDoor
from dltk_runtime.server.doors.wording import refusal
from dltk_runtime.service.service import Service

Endpoint = Callable[[Request], Awaitable[Response]]
MODEL = "/v2/models/{name}"
VERSION = f"{MODEL}/versions/{{number}}"


def routes(service: Service, check_token: Callable[[Request], None], books: Books) -> list[Route]:
    """Return the routes for Starlette; `check_token` raises for a request without an accepted token."""
    infer, scoring = Infer(service, books), ScoringDoor(service, books)

    def guarded(endpoint: Endpoint) -> Endpoint:
        async def checked(request: Request) -> Response:
            check_token(request)
            try:
                return await endpoint(request)
            except DltkError as error:
                body = refusal(request.url.path, error.http_status, error.sentence)
                return JSONResponse(body, error.http_status)

        return checked

    return [
        Route("/v2/health/live", infer.live, methods=["GET"]),
        Route("/v2/health/ready", infer.ready, methods=["GET"]),
        Route("/v2", guarded(infer.server), methods=["GET"]),
        *(
            Route(f"{path}{end}", guarded(endpoint), methods=[method])
            for path in (MODEL, VERSION)
            for end, endpoint, method in (
                ("", infer.metadata, "GET"),
                ("/ready", infer.model_ready, "GET"),
                ("/infer", infer.handle, "POST"),
            )
        ),
        Route("/ping", scoring.ping, methods=["GET"]),
        Route("/version", guarded(scoring.version), methods=["GET"]),
        Route("/invocations", guarded(scoring.handle), methods=["POST"]),
    ]
