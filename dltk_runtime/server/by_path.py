"""One route for each path, whatever its methods.

Starlette answers another method with the ``Allow`` of the first route whose path fits, where RFC 9110 (15.5.6) wants
every method of the path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Endpoint = Callable[[Request], Awaitable[Response]]


def by_path(routes: Iterable[Route]) -> list[Route]:
    """Join the routes that have the same path, each in the place of its first."""
    groups: dict[str, list[Route]] = {}
    for route in routes:
        groups.setdefault(route.path, []).append(route)
    return [group[0] if len(group) == 1 else _joined(path, group) for path, group in groups.items()]


def _joined(path: str, routes: Iterable[Route]) -> Route:
    endpoints: dict[str, Endpoint] = {method: each.endpoint for each in routes for method in each.methods or ()}
    return Route(path, _of_method(endpoints), methods=list(endpoints))


def _of_method(endpoints: Mapping[str, Endpoint]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await endpoints[request.method](request)

    return endpoint
