"""The checks that cost little: those that a running server makes of itself when somebody looks at its console."""

from __future__ import annotations

import os
from collections.abc import Iterator

from dltk_runtime.doctor import local
from dltk_runtime.doctor.finding import Check, Finding, error, warning
from dltk_runtime.errors import DltkError
from dltk_runtime.settings import Settings

# Not the files' hashes, frameworks, ports and Splunk: minutes, or other machines.
CHECKS: tuple[Check, ...] = (local.token, local.files, local.certificate, local.volume, local.notebooks)


def quick(settings: Settings) -> Iterator[Finding]:
    """Yield the findings."""
    yield from local.variables(os.environ)
    for check in CHECKS:
        try:
            yield from check(settings)
        except DltkError as failure:
            yield error(check.__name__, failure.sentence, "")
        except OSError as failure:
            yield warning(check.__name__, f"this check failed: {failure}", "'dltk doctor' may tell more.")
