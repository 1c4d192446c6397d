"""Findings of the examination of an installed flow: each with the place that was looked at."""

from __future__ import annotations

from dltk_runtime.doctor.finding import Located, Severity


def ok(check: str, text: str, where: str) -> Located:
    """Make a finding without a problem."""
    return Located(check, Severity.OK, text, where=where)


def unknown(check: str, text: str, where: str, advice: str = "") -> Located:
    """Make a finding for what could not be read."""
    return Located(check, Severity.UNKNOWN, text, advice, where)


def warning(check: str, text: str, where: str, advice: str) -> Located:
    """Make a finding of severity warning."""
    return Located(check, Severity.WARNING, text, advice, where)


def error(check: str, text: str, where: str, advice: str) -> Located:
    """Make a finding of severity error: searches fail, or do not run."""
    return Located(check, Severity.ERROR, text, advice, where)
