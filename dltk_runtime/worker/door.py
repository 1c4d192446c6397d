"""Applies of clients that are not Splunk: their rows, their parameters and their results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import pandas as pd

from dltk_runtime.payload import Door, Payload
from dltk_runtime.tables import forms
from dltk_runtime.tables.plain import Scrub
from dltk_runtime.tables.sheet import Sheet

Blob = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Visit:
    """One such apply."""

    door: Door
    sheet: Sheet

    @classmethod
    def of(cls, door: Door, sent: Payload) -> Self:
        """Read rows in the form of the door, which `tables.forms` describes."""
        return cls(door, forms.read(door.rows, sent.view(), door.fields, door.most))

    def add_to(self, meta: dict[str, Any]) -> None:
        """Add what Splunk's `meta` has: the fields, and the parameters of the request as texts."""
        fields = list(self.door.fields) or [str(name) for name in self.sheet.frame.columns]
        options = meta["options"]
        meta["feature_variables"] = options["feature_variables"] = fields
        given = {name: _text(value) for name, value in self.sheet.parameters.items() if value is not None}
        options["params"] = given | options["params"]

    def write(self, results: pd.DataFrame, scrub: Scrub | None) -> Blob:
        """Write results in the form of the door."""
        return forms.write(self.door.results, results, self.sheet.outputs, scrub)


def _text(value: Any) -> str:
    """Return a parameter as a search writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
