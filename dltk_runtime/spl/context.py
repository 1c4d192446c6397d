"""What commands work with, and the shape they have."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dltk_runtime.mltk.commands import Mltk
from dltk_runtime.mltk.results import Result
from dltk_runtime.mltk.stubs import Stubs
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings
from dltk_runtime.spl.files import Lookups
from dltk_runtime.spl.functions import FUNCTIONS, Function

# What is left of a command once its arguments are checked: rows in, rows out.
Step = Callable[[pd.DataFrame], Result]


@dataclass(frozen=True, slots=True)
class Context:
    """The world of one search: the container with its stubs, CSV files, eval's functions, the time."""

    mltk: Mltk
    lookups: Lookups
    functions: Mapping[str, Function] = field(default_factory=lambda: FUNCTIONS)
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Command:
    """One command: `prepare` reads its arguments (raising `SearchInvalid`) before any row is touched.

    A command that `generates` makes rows, and so stands first and only there.
    """

    prepare: Callable[[str, Context], Step]
    generates: bool = False


def make_context(client: ClientSettings, paths: Paths, lookups: Path | None = None) -> Context:
    """The context of a person at a shell: `lookups` (default: in the home) holds stubs and what outputlookup writes."""
    folder = lookups or paths.home / "search" / "lookups"
    return Context(
        mltk=Mltk(client, Stubs(folder)),
        lookups=Lookups(folder, (Path.cwd(), paths.staged / "samples")),
    )
