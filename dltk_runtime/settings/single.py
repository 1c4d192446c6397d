"""Single settings, for processes that need few of them: commands, workers, their children and kernels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dltk_runtime.paths import Paths
from dltk_runtime.setting_types import as_path
from dltk_runtime.settings.server import VARIABLES, Settings


def umask(environ: Mapping[str, str] | None = None) -> int:
    """Return the setting ``DLTK_UMASK`` alone, for commands that read no others.

    Raises:
        SettingInvalid: as `Settings.from_env`.
    """
    environ = os.environ if environ is None else environ
    name = VARIABLES["umask"].name
    return Settings.from_env({name: environ[name]} if name in environ else {}).umask


def keeps_values(environ: Mapping[str, str] | None = None) -> bool:
    """Return the setting ``DLTK_KEEP_VALUES`` alone, for workers.

    Raises:
        SettingInvalid: as `Settings.from_env`.
    """
    environ = os.environ if environ is None else environ
    name = VARIABLES["keep_values"].name
    return Settings.from_env({name: environ[name]} if name in environ else {}).keep_values


def worker_paths(environ: Mapping[str, str] | None = None) -> Paths:
    """Return the folders of a worker, its children or a kernel, from ``DLTK_HOME`` and ``DLTK_NOTEBOOKS``."""
    environ = os.environ if environ is None else environ
    names = {name: environ[name] for name in ("DLTK_HOME", "DLTK_NOTEBOOKS") if name in environ}
    paths = Settings.from_env(names).paths
    pictures = environ.get("DLTK_PICTURES")  # set by `CodeFinder.install` and batch runs, never by a user
    return Paths(paths.home, paths.notebooks, as_path(pictures)) if pictures else paths


def code_location(environ: Mapping[str, str] | None = None) -> tuple[Paths, Path | None]:
    """Return where a worker's children and kernels import notebooks from: folders, and a version's ``code.json``."""
    environ = os.environ if environ is None else environ
    code = environ.get("DLTK_CODE")  # set by `CodeFinder.install`, never by a user
    return worker_paths(environ), as_path(code) if code else None
