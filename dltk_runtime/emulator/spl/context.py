"""What commands work with, and the shape they have."""

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
from dltk_runtime.emulator.spl.functions import FUNCTIONS, Function
from dltk_runtime.emulator.spl.macros import Macro
from dltk_runtime.emulator.spl.values import tidy
from dltk_runtime.emulator.standin import Indexes, Storage, Window
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings

# What is left of a command once its arguments are checked: rows in, rows out.
Step = Callable[[pd.DataFrame], Result]


@dataclass(frozen=True, slots=True)
class Definition:
    """A KV store lookup of transforms.conf: its collection, and the only fields that are read and written."""

    collection: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """The world of one search: the container with its stubs, lookups, indexes, macros, eval's functions, the time.

    `window` is that of the search; `clock` says now, which for a scheduled search is the scheduled time.
    """

    mltk: Mltk
    lookups: LookupFolders
    functions: Mapping[str, Function] = field(default_factory=lambda: FUNCTIONS)
    clock: Callable[[], float] = time.time
    storage: Storage = field(default_factory=Storage)
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    macros: Mapping[str, Macro] = field(default_factory=dict)
    window: Window = field(default_factory=Window)

    def eval_functions(self) -> Mapping[str, Function]:
        """The functions of eval, ``now()`` among them."""
        return {**self.functions, "now": Function(lambda: tidy(int(self.clock())), 0, 0)}


def _first_only(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Command:
    """One command: `prepare` reads its arguments (raising `SearchInvalid`) before any row is touched.

    A command that `generates` makes rows, and so stands first, and later only where `follows` allows these arguments.
    """

    prepare: Callable[[str, Context], Step]
    generates: bool = False
    follows: Callable[[str], bool] = _first_only


def make_context(client: ClientSettings, paths: Paths, lookups: Path | None = None) -> Context:
    """The context of a person at a shell: `lookups` (default: in the home) holds stubs and what outputlookup writes."""
    folder = lookups or paths.home / "search" / "lookups"
    return Context(
        mltk=Mltk(client, Stubs(folder)),
        lookups=LookupFolders(folder, (Path.cwd(), paths.staged / "samples")),
        storage=Storage(indexes=Indexes()),
    )
