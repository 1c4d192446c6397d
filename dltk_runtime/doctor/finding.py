"""Findings of checks: severity, text and advice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from dltk_runtime.settings import Settings
from dltk_runtime.texts import counted


class Severity(StrEnum):
    """Severity of a finding, in ascending order."""

    OK = "ok"
    SKIPPED = "skipped"  # not configured, so not checked
    UNKNOWN = "unknown"  # it could not be read
    WARNING = "warning"  # works, but not as intended or not for long
    ERROR = "error"  # searches fail


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a check; `advice` is the next step, and may be empty."""

    check: str
    severity: Severity
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Located(Finding):
    """Result of a check of many things; `where` is the place that was looked at."""

    where: str = ""


Check = Callable[[Settings], Iterable[Finding]]


def ok(check: str, text: str, *, where: str = "") -> Finding:
    """Make a finding without a problem; `where` is the place that was looked at, if there are many."""
    return _made(check, Severity.OK, text, "", where)


def skipped(check: str, text: str, advice: str = "") -> Finding:
    """Make a finding for something that is not configured."""
    return Finding(check, Severity.SKIPPED, text, advice)


def unknown(check: str, text: str, advice: str = "", *, where: str = "") -> Finding:
    """Make a finding for what could not be read."""
    return _made(check, Severity.UNKNOWN, text, advice, where)


def warning(check: str, text: str, advice: str, *, where: str = "") -> Finding:
    """Make a finding of severity warning."""
    return _made(check, Severity.WARNING, text, advice, where)


def error(check: str, text: str, advice: str, *, where: str = "") -> Finding:
    """Make a finding of severity error."""
    return _made(check, Severity.ERROR, text, advice, where)


def _made(check: str, severity: Severity, text: str, advice: str, where: str) -> Finding:
    """Make a finding with its place, where it has one: documents of other findings have no such field."""
    return Located(check, severity, text, advice, where) if where else Finding(check, severity, text, advice)


def worst(findings: Iterable[Finding]) -> Severity:
    """Return the highest severity among the findings."""
    order = list(Severity)
    return max((finding.severity for finding in findings), key=order.index, default=Severity.OK)


def document_of(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return the document of ``--json``: the highest severity and every finding."""
    found = list(findings)
    return {"severity": str(worst(found)), "findings": [asdict(finding) for finding in found]}


def whole(models: int, damaged: int) -> str:
    """Return how many models are whole: ``4 of 5 models are whole``."""
    return f"{models - damaged} of {counted(models, 'model')} {'is' if models == 1 else 'are'} whole"
