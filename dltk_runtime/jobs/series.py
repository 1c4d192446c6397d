"""The metrics of a fit, step by step: one JSON object a line in ``metrics.jsonl``."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

FILE = "metrics.jsonl"
MOST = 10_000  # steps that are read

Series = list[dict[str, float]]  # each: "step", and the metrics of that step


def append(folder: Path, step: float, metrics: Mapping[str, float]) -> None:
    """Add the metrics of one step; nothing when there are none.

    Raises:
        OSError: it cannot be written.
    """
    if metrics:
        with (folder / FILE).open("ab") as file:
            file.write(msgspec.json.encode({"step": step, **metrics}) + b"\n")


def read(folder: Path) -> Series:
    """All steps in order; a line that a kill left unfinished is left out."""
    found: Series = []
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / FILE).read_bytes().splitlines()[-MOST:]:
            with contextlib.suppress(msgspec.DecodeError):
                found.append(msgspec.json.decode(line, type=dict[str, float]))
    return found
