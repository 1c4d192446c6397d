"""The pipeline of ``dltk search`` as what runs the stand-in's searches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dltk_runtime.emulator.spl.context import Context
from dltk_runtime.emulator.spl.pipeline import run
from dltk_runtime.emulator.spl.rows import rows_of
from dltk_runtime.emulator.standin import Row, RunSearch, Storage, Window


def pipeline(context: Context, storage: Storage) -> RunSearch:
    """Runs searches over `storage`, in the world of `context` otherwise."""

    def run_search(search: str, window: Window, now: float) -> Iterable[Row]:
        world = replace(context, storage=storage, window=window, clock=lambda: now)
        return rows_of(run(search, world).frame)

    return run_search
