"""Keeps what numba compiles, so that only the first worker ever waits for the compiler."""

from __future__ import annotations

import importlib
import sys

import numba

FOLDER = "/srv/app/cache/numba"


def imported(name, without=()):
    """The library `name`, with its compiled functions kept in `FOLDER`.

    Also where its own folder and the home are read-only: there numba would refuse to import it.

    Args:
        name: the library.
        without: libraries that it only looks for. They are not imported for it, which saves seconds and memory.
    """
    numba.config.CACHE_DIR = FOLDER
    hidden = [each for each in without if each not in sys.modules]
    try:
        sys.modules.update(dict.fromkeys(hidden))
        return importlib.import_module(name)
    finally:
        for each in hidden:
            del sys.modules[each]


def keep(functions):
    """Has numba keep the functions (pairs of a module's and a function's name) that do not ask for it themselves."""
    for module, name in functions:
        getattr(imported(module), name).enable_caching()
