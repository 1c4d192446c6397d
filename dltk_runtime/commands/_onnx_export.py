"""What ``dltk models export --onnx`` does and prints."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from dltk_runtime.commands import Exit
from dltk_runtime.commands._onnx_upload import MAX_MB
from dltk_runtime.commands._terminal import add_row, echo, make_table, show_table
from dltk_runtime.files import atomic
from dltk_runtime.onnx.difference import Difference
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore, Version
from dltk_runtime.units import MIB

MAX_UPLOAD_BYTES = MAX_MB * MIB  # as base64
COLUMNS = ("column", "kind", "rows", "largest difference", "relative", "other class")


def export(
    settings: Settings,
    store: ModelStore,
    version: Version,
    *,
    onnx: Path,
    rows: Path | None,
    opset: int | None,
    force: bool,
) -> None:
    """Write a version as ONNX if it equals its notebook's apply; print the comparison, and exit otherwise.

    Raises:
        DltkError: it cannot be loaded, applied or converted.
    """
    from dltk_runtime.apply.converting import Converting

    if not version.number:
        raise click.UsageError(
            f"{version}: files of an old volume, whose features nobody recorded. Fit the model again."
        )
    if onnx.exists() and not force:
        raise click.UsageError(f"{onnx} exists: give another file, or --force.")
    if not (onnx.parent.is_dir() and os.access(onnx.parent, os.W_OK)):
        raise click.UsageError(f"{onnx.parent} is no folder in which you may write: give another file.")
    made, file = asyncio.run(Converting(settings, store).convert(version, _rows(version, rows), opset or 0))
    source = "the rows of " + rows.name if rows else "rows made from the statistics of the fit's fields (no --rows)"
    echo(f"{version}, converted by {made.by}, {_opset(made.opset)}. Compared with apply on {source}, as float32:")
    _show(made.differences)
    if problems := [f"{each.column}: {each.problem}." for each in made.differences if each.problem]:
        for text in (*problems, f"{onnx} was not written: the ONNX model does not equal the notebook's apply."):
            echo(text, err=True)
        sys.exit(Exit.FAILED)
    atomic.write(onnx, file)
    echo(f"{onnx}: {len(file):,} bytes.")
    if (encoded := (len(file) + 2) // 3 * 4) > MAX_UPLOAD_BYTES:
        echo(f"As base64 it has {encoded:,} bytes; the AI Toolkit takes {MAX_UPLOAD_BYTES:,} (max_model_size_mb).")


def _opset(number: int) -> str:
    """Return the opset in words; a graph of trees alone has no main operators."""
    return f"opset {number}" if number else "operators of ai.onnx.ml alone"


def _rows(version: Version, rows: Path | None) -> bytes:
    """Return the rows to compare on as CSV."""
    from dltk_runtime.apply.converting import inputs_of
    from dltk_runtime.onnx.sample import rows_like

    return rows.read_bytes() if rows else rows_like(inputs_of(version)).to_csv(index=False).encode()


def _show(differences: Iterable[Difference]) -> None:
    differences = list(differences)
    table = make_table(*COLUMNS, unbroken=COLUMNS)
    for each in differences:
        numbers = (f"{each.absolute:.3g}", f"{each.relative:.3g}", "") if each.kind == "number" else ("", "")
        classes = () if each.kind == "number" else (f"{each.differing:,}",)
        add_row(table, each.column, each.kind, f"{each.rows:,}", *numbers, *classes)
    show_table(table)
    for each in differences:
        for other in each.shown:
            distance = "unknown" if other.distance is None else f"{other.distance:.3g}"
            echo(f"row {other.row}: apply gives {other.apply}, the file {other.onnx}; from a threshold: {distance}")
