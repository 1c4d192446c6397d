"""Rows that are not Splunk's CSV: as a client sent them, and as it wants the results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True, slots=True)
class Outputs:
    """Which tensors a client wants: names, each with whether it is binary; all as `binary` says, without names."""

    wanted: dict[str, bool] = field(default_factory=dict)
    binary: bool = False
    id: str | None = None  # of the request, repeated in the answer


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of one request, with the parameters that came with them."""

    frame: pd.DataFrame
    parameters: dict[str, Any] = field(default_factory=dict)
    outputs: Outputs = field(default_factory=Outputs)
