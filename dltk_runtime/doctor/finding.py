"""dltk_runtime.doctor.finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from dltk_runtime.settings import Settings


class Severity(StrEnum):
    """How bad a finding is, from nothing to worst."""

    OK = "ok"
    SKIPPED = "skipped"  # not set up, so not looked at
    WARNING = "warning"  # works, but not as one would want, or not for long
    ERROR = "error"  # searches fail


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw; `advice` is what to do about it."""

    check: str
    severity: Severity
    text: str
    advice: str = ""


Check = Callable[[Settings], Iterable[Finding]]


def ok(check: str, text: str) -> Finding:
    return Finding(check, Severity.OK, text)


def skipped(check: str, text: str, advice: str = "") -> Finding:
    return Finding(check, Severity.SKIPPED, text, advice)


def warning(check: str, text: str, advice: str) -> Finding:
    return Finding(check, Severity.WARNING, text, advice)


def error(check: str, text: str, advice: str) -> Finding:
    return Finding(check, Severity.ERROR, text, advice)


def worst(findings: Iterable[Finding]) -> Severity:
    """The severity of the worst finding."""
    order = list(Severity)
    return max((finding.severity for finding in findings), key=order.index, default=Severity.OK)


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """For ``--json``: the worst severity, and every finding."""
    return {"severity": str(worst(findings)), "findings": [asdict(finding) for finding in findings]}
