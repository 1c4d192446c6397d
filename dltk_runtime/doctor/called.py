"""Check the container at an address that Splunk calls: reachable, ready, with a certificate that fits."""

from __future__ import annotations

import socket
import ssl
import urllib.parse
from collections.abc import Iterator
from functools import partial

from dltk_runtime.doctor.finding import Finding, error, ok, warning
from dltk_runtime.doctor.rest import ANSWER_SECONDS, NoAnswer, checking_client
from dltk_runtime.tls import client_context, pinned_context


def called(address: str) -> Iterator[Finding]:
    """Check the server at `address`, which begins with ``http://`` or ``https://``."""
    url = urllib.parse.urlsplit(address)
    client = checking_client(partial(client_context, verify=False))  # the search head's authorities are unknown here
    try:
        status = client.request("GET", f"{address.rstrip('/')}/readyz", {}).status
        unfit = _unfit(url.hostname or "", url.port or 443) if url.scheme == "https" else ""
    except (NoAnswer, OSError, ValueError) as failure:
        cause = failure.cause if isinstance(failure, NoAnswer) else failure
        text = f"the container that Splunk calls, {address}, cannot be reached from here: {cause}"
        yield warning("stanzas", text, "Check host, port and scheme, if possible on the search head itself.")
        return
    if status == 200:
        yield ok("stanzas", f"Splunk calls {address}, and a server is ready there")
    else:
        yield error("stanzas", f"Splunk calls {address}, which answers with HTTP {status}", "Correct api_url.")
    if unfit:
        advice = (
            "Use a certificate for the host of api_url, or name it in DLTK_TLS_NAMES before the first start; where "
            "Splunk checks certificates, searches fail."
        )
        yield warning("stanzas", f"the certificate that {address} serves does not fit: {unfit}", advice)


def _unfit(host: str, port: int) -> str:
    """Return what is wrong with host name or dates of a server's certificate, or an empty text."""
    pinned = pinned_context(ssl.get_server_certificate((host, port), timeout=ANSWER_SECONDS))
    try:
        with (
            socket.create_connection((host, port), ANSWER_SECONDS) as plain,
            pinned.wrap_socket(plain, server_hostname=host),
        ):
            return ""
    except ssl.SSLCertVerificationError as failure:
        return failure.verify_message
