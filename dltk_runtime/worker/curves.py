"""What a fit reports, as curves for TensorBoard: one folder for each version, below ``logs/``."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_FOLDERS = 20  # of one model; older ones are removed
_VERSION = "brain.Event:2"  # with which each file of TensorBoard begins


class Curves:
    """Writes the metrics of a fit into `folder`; nothing without metrics or without TensorBoard.

    The file is TensorBoard's own format, by its own writer of records: the writer of whole files
    imports TensorFlow. What goes wrong, such as a full disk, ends the curves and never the fit.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: Any = None
        self._records: Any = None
        self._failed = False

    def add(self, step: float, metrics: Mapping[str, float]) -> None:
        """Add the metrics of one step. Never raises."""
        if not metrics or self._failed:
            return
        try:
            if self._records is None:
                self._open()
            values = [{"tag": name, "simple_value": value} for name, value in metrics.items()]
            self._write(step=int(step), summary={"value": values})
        except Exception as error:  # noqa: BLE001 - no error of a disk or of TensorBoard may end a fit
            self._failed = True
            if not isinstance(error, ModuleNotFoundError):
                sys.stderr.write(f"no curves for TensorBoard: {error!r}\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def _open(self) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        _remove_oldest(self._folder.parent)
        name = f"events.out.tfevents.{time.time():.0f}.dltk"
        self._file = (self._folder / name).open("ab", buffering=0)
        self._records = RecordWriter(self._file)
        self._write(file_version=_VERSION)

    def _write(self, **fields: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), **fields).SerializeToString())


def _remove_oldest(model: Path) -> None:
    """Remove the folders of a model's oldest versions, beyond the bound."""
    versions = sorted((path for path in model.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))
    for path in versions[:-MAX_FOLDERS]:
        shutil.rmtree(path, ignore_errors=True)
