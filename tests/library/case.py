"""A notebook's life: the search that must work, what comes back, and another search."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tests.library.helpers import SAMPLES, Plan


@dataclass(frozen=True)
class Case:
    """A notebook, the search that must work, and what comes back. `other` are parameters that change the result."""

    name: str
    params: str
    fields: str
    other: str
    sample: str
    columns: list[str]  # all of them, in order
    metrics: dict[str, tuple[float, float]]  # between what a healthy model's lie, and a broken one's do not
    kept: tuple[str, ...] = (".json",)  # endings of the files that keep the model
    warns: str = ""  # what the fit's message warns of
    rows: int = 0  # of the sample, 0: all of it
    answers: int = 0  # rows that come back, 0: as many as were sent
    form: str = ""  # tells two searches for one notebook apart

    @property
    def id(self) -> str:
        return self.name + self.form

    @property
    def plan(self) -> Plan:
        frame = pd.read_csv(SAMPLES / f"{self.sample}.csv").head(self.rows or None)
        other = f"{self.other} {self.fields}" if self.other else ""
        return Plan(self.name, f"{self.params} {self.fields}", frame, other, self.form)
