"""How a container's answers compare with the old one's, read over ``/v1``."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from dltk_runtime.client.answers import read
from dltk_runtime.client.http import Container
from dltk_runtime.settings import ClientSettings
from dltk_runtime.shadow import ShadowReport

ANSWER_SECONDS = 60.0


def shadow_report(settings: ClientSettings, since: datetime | None = None) -> ShadowReport:
    """Return the report of a container, of comparisons from `since` on.

    Raises:
        Unreachable: the container does not answer.
        ApiRefused: it refuses the request.
        ReplyUnreadable: the answer is none of its API.
    """
    query = f"?since={quote(since.isoformat())}" if since is not None else ""
    return read(Container.of(settings, ANSWER_SECONDS).get(f"/v1/shadow{query}"), ShadowReport)
