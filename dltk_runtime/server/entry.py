"""Who calls: the one place that every route and protocol asks.

::

    holder = admit(request, tokens)     401 without an accepted token; sets `request.state`
    Call(…, holder=request.state.holder, actor=request.state.actor)
                                        the core checks rights, models and bounds
"""

from __future__ import annotations

import functools

from starlette.exceptions import HTTPException
from starlette.requests import Request

from dltk_runtime.access.actor import Actor
from dltk_runtime.access.holder import Holder
from dltk_runtime.server.errors import Unauthorized
from dltk_runtime.server.token_files import ADMIN_NAME, Tokens

CHALLENGE = {"WWW-Authenticate": "Bearer"}


def admit(request: Request, tokens: Tokens) -> Holder:
    """Return who holds the request's token, for routes of Splunk and of other clients.

    `request.state.holder` and `request.state.actor` say so from then on.

    Of the container's own tokens these take `api_token`, not `DLTK_ADMIN_TOKEN`.

    Raises:
        HTTPException: 401, since there is no accepted token; the body is not read yet.
    """
    given = request.headers.getlist("authorization")
    holder = tokens.holder(given)
    if holder is None or holder.name == ADMIN_NAME:
        raise HTTPException(401, Unauthorized(len(given)).sentence, headers=CHALLENGE)
    request.state.holder, request.state.actor = holder, actor_of(request, holder, tokens)
    return holder


def actor_of(request: Request, holder: Holder, tokens: Tokens) -> Actor:
    """Return who a request is from, for jobs, histories and events."""
    return _actor(holder.name, tokens.proxies.person(request))


@functools.lru_cache(maxsize=256)
def _actor(owner: str, person: str) -> Actor:
    return Actor(owner=owner, person=person)
