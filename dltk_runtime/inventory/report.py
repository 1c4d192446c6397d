"""The rows of an inventory: one for each object and each model that it calls."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from dltk_runtime.inventory.audit import Runs
from dltk_runtime.inventory.survey import ObjectState, Survey, SurveyEntry
from dltk_runtime.texts import counted, harmless_cell

COLUMNS = (
    *("state", "kind", "app", "owner", "name", "schedule", "command", "model", "algorithm", "runs", "last run", "why"),
)
UNKNOWN = "unknown"


def rows(survey: Survey) -> Iterator[dict[str, str]]:
    """Yield the rows by state and app, with texts in all columns."""
    order = list(ObjectState)
    for entry in sorted(survey.entries, key=lambda each: (order.index(each.state), each.item.app, each.item.name)):
        yield from _of_entry(entry)


def _of_entry(entry: SurveyEntry) -> Iterator[dict[str, str]]:
    item = entry.item
    for use in entry.uses:
        cells = (
            *(str(entry.state), str(item.sort), item.app, item.owner, item.name, item.schedule),
            *(use.command, use.model, use.algorithm, _count(entry.runs), _moment(entry.runs), entry.reason),
        )
        yield dict(zip(COLUMNS, cells, strict=True))


def as_csv(survey: Survey) -> str:
    """Return the rows as CSV with a header; a cell never begins a formula of a spreadsheet."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: harmless_cell(value) for key, value in row.items()} for row in rows(survey))
    return text.getvalue()


def document(survey: Survey) -> dict[str, Any]:
    """Return the document of ``--json``: what could not be read, and every row."""
    return {
        "splunk": survey.splunk,
        "days": survey.days,
        "notes": list(survey.notes),
        "states": {str(state): count for state, count in counts(survey).items()},
        "rows": list(rows(survey)),
    }


def counts(survey: Survey) -> Counter[ObjectState]:
    """Return the number of objects in each state."""
    return Counter(dict.fromkeys(ObjectState, 0) | Counter(each.state for each in survey.entries))


def summary(survey: Survey) -> str:
    """Return one line of what was found."""
    states = ", ".join(f"{count} {state}" for state, count in counts(survey).items())
    models = {use.model for each in survey.entries for use in each.uses if use.model}
    call = "calls" if len(survey.entries) == 1 else "call"
    objects, called = counted(len(survey.entries), "object"), counted(len(models), "model")
    return f"{objects} {call} {called}: {states} (runs of {counted(survey.days, 'day')})"


def _count(runs: Runs) -> str:
    return UNKNOWN if runs.count is None else str(runs.count)


def _moment(runs: Runs) -> str:
    return "" if runs.last is None else f"{datetime.fromtimestamp(runs.last, UTC):%Y-%m-%dT%H:%M:%SZ}"
