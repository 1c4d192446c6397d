"""Check of the old container that answers in our place while ``DLTK_SHADOW`` is set."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from dltk_runtime.doctor.finding import Finding, error, ok, skipped, warning
from dltk_runtime.doctor.rest import NoAnswer, checking_client
from dltk_runtime.setting_types import HASH_MARK
from dltk_runtime.settings import Settings
from dltk_runtime.tls import client_context

MARK = b"Splunk App for Data Science and Deep Learning"  # in the answer of ``GET /`` (protocol 1)


def shadow(settings: Settings) -> Iterator[Finding]:
    """Check that the old container answers, and takes the token that goes to it; silent without one."""
    if not settings.shadow:
        return
    token = settings.shadow_token or settings.api_token
    if token.startswith(HASH_MARK):
        text = "api_token is a hash, and the client's token goes to the old container"
        yield skipped("shadow", text, "Set DLTK_SHADOW_TOKEN to have it checked.")
        return
    try:
        answer = checking_client(lambda: _context(settings)).request(
            "GET", f"{settings.shadow}/", {"Authorization": token}
        )
    except NoAnswer as failure:
        advice = (
            "Searches fail meanwhile, unless it only trains: it does one request at a time. Check DLTK_SHADOW, "
            "DLTK_SHADOW_CAFILE and DLTK_SHADOW_VERIFY."
        )
        yield error("shadow", failure.sentence, advice)
        return
    if answer.status == 401:
        yield error("shadow", f"{settings.shadow} refuses the token", "Set DLTK_SHADOW_TOKEN to the old container's.")
    elif answer.status != 200 or MARK not in answer.body:
        text = f"{settings.shadow} answers GET / like no DSDL container (HTTP {answer.status})"
        yield warning("shadow", text, "Check that DLTK_SHADOW names the old container's API, port 5000.")
    else:
        yield ok("shadow", f"{settings.shadow} answers in our place; ours is only compared")


def _context(settings: Settings) -> ssl.SSLContext:
    context = client_context(settings.shadow_cafile, verify=settings.shadow_verify != "none")
    context.check_hostname = settings.shadow_verify == "full"
    return context
