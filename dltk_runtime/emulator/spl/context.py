"""The context in which commands run, and the shape of a command."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dltk_runtime.emulator.mltk.commands import Mltk
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.emulator.spl.files import LookupFolders
from dltk_runtime.emulator.spl.functions import FUNCTIONS, REPEATABLE, Function
from dltk_runtime.emulator.spl.functions.times import clock_functions
from dltk_runtime.emulator.spl.macros import Macro
from dltk_runtime.emulator.standin import Indexes, Storage, Window
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings

# A command whose arguments are parsed: a function from rows to rows.
Step = Callable[[pd.DataFrame], Result]


@dataclass(frozen=True, slots=True)
class Definition:
    """A KV store lookup of transforms.conf: its collection, and the fields to read and write."""

    collection: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """All that a search depends on: container, stubs, lookups, indexes, macros, functions, time.

    `window` is the time range of the search; `clock` returns now in epoch seconds, for a scheduled
    search its scheduled time. A `repeatable` context is that of a flow's scheduled searches: what
    depends on the order of rows, a time zone or a limit is refused (`scheduled`). `onnx` is the
    folder of ONNX files.
    """

    mltk: Mltk
    lookups: LookupFolders
    functions: Mapping[str, Function] = field(default_factory=lambda: FUNCTIONS)
    clock: Callable[[], float] = time.time
    storage: Storage = field(default_factory=Storage)
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    macros: Mapping[str, Macro] = field(default_factory=dict)
    window: Window = field(default_factory=Window)
    repeatable: bool = False
    onnx: Path = field(default_factory=Path.cwd)

    def eval_functions(self) -> Mapping[str, Function]:
        """Return the functions of eval, including ``now()``."""
        known = {**self.functions, **clock_functions(self.clock)}
        return {name: known[name] for name in known if name in REPEATABLE} if self.repeatable else known


def _first_only(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Command:
    """One command; `prepare` parses its arguments and may raise `SearchInvalid`.

    A command that `generates` rows is the first of a search, unless `follows` allows its arguments later.
    `forms` are the accepted arguments, one line each, as the documentation shows them.
    """

    prepare: Callable[[str, Context], Step]
    generates: bool = False
    follows: Callable[[str], bool] = _first_only
    forms: tuple[str, ...] = ()


def make_context(
    client: ClientSettings, paths: Paths, lookups: Path | None = None, onnx: Path | None = None, *, arrow: bool = False
) -> Context:
    """Build the context of `dltk search`; `lookups` has its stubs and files, `onnx` its ONNX files.

    With `arrow` the rows of applies go as Arrow streams.
    """
    folder = lookups or paths.home / "search" / "lookups"
    return Context(
        mltk=Mltk(client, Stubs(folder), arrow=arrow),
        lookups=LookupFolders(folder, (Path.cwd(), paths.staged / "samples")),
        storage=Storage(indexes=Indexes()),
        onnx=onnx or paths.home / "search" / "onnx",
    )
