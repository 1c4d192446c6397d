"""The console of a container, looked for before a browser is sent there."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

from dltk_runtime.client.errors import ConsoleMissing
from dltk_runtime.client.http import Container
from dltk_runtime.settings import ClientSettings

ANSWER_SECONDS = 30.0
OVERVIEW = "/ui"
SIGN_IN = f"{OVERVIEW}/sign-in"  # which anybody may see


def address_of(settings: ClientSettings) -> str:
    """Return the address of a container's console, whose own address `settings` may name, too.

    Raises:
        Unreachable: the container does not answer.
        ConsoleMissing: it has none.
    """
    container = Container.of(settings, ANSWER_SECONDS)
    container = replace(container, url=container.url.rstrip("/").removesuffix(OVERVIEW))
    reply = container.get(SIGN_IN)
    if reply.status != HTTPStatus.OK:
        raise ConsoleMissing(reply.url, reply.status)
    return reply.url.removesuffix(SIGN_IN) + OVERVIEW
