"""What tests of ``dltk doctor`` ask of findings."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from dltk_runtime.doctor.finding import Finding


def found(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Severity and text of each."""
    return [(str(each.severity), each.text) for each in findings]


def only(findings: Iterable[Finding]) -> Finding:
    """The one finding that there is."""
    (finding,) = findings
    return finding


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
