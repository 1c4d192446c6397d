"""Files that hold the newest records: appended as in `lines`, cut to their newer half where they grow.

Several processes may append to one. What one appends while another cuts can be lost, and a kill
loses at most the line that was being written: these files are for people to look at, and decide
nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dltk_runtime.files import atomic, lines


def add(path: Path, records: Sequence[msgspec.Struct], max_bytes: int) -> None:
    """Append records; keep about the newest `max_bytes` / 2 of a file that becomes larger than `max_bytes`.

    Raises:
        OSError: they cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines.append(path, records, durable=False)
    if path.stat().st_size > max_bytes:
        with atomic.opened(path, "rb") as file:
            file.seek(-(max_bytes // 2), os.SEEK_END)
            _, _, whole = file.read(max_bytes).partition(b"\n")
        atomic.write(path, whole, durable=False)
