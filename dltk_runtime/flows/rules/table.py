"""All rules, in the order of their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dltk_runtime.flows.app import App
from dltk_runtime.flows.rules import (
    alike,
    anomalies,
    applying,
    direct,
    feedback,
    flowing,
    indexed,
    metrics,
    packages,
    people,
    records,
    schedules,
    studio,
    summaries,
    timing,
    windows,
)
from dltk_runtime.flows.rules.rule import Rule, Violation

_CHAPTERS = (
    applying,
    anomalies,
    schedules,
    windows,
    direct,
    summaries,
    metrics,
    indexed,
    feedback,
    packages,
    studio,
    flowing,
    alike,
    records,
    timing,
    people,
)
RULES: tuple[Rule, ...] = tuple(
    sorted((rule for chapter in _CHAPTERS for rule in chapter.RULES), key=lambda rule: rule.number)
)


def check(apps: Sequence[App], rules: Sequence[Rule] = RULES) -> Iterator[Violation]:
    """Every place in these apps where a rule is broken."""
    for app in apps:
        for rule in rules:
            for found in rule.find(app, apps):
                yield Violation(app.name, rule, found)
