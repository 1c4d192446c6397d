"""Keeps what numba compiles, so that only the first worker ever waits for the compiler."""

from __future__ import annotations

import importlib
import sys

import numba
from numba.core.dispatcher import Dispatcher

FOLDER = "/srv/app/cache/numba"


def imported(name, without=()):
    """The library `name`; what numba compiles of it is kept in `FOLDER`.

    Also where the library's own folder and the home are read-only: there numba would refuse to import it.

    Args:
        name: the library.
        without: libraries that it only looks for. They are not imported for it, which saves seconds and memory.
    """
    numba.config.CACHE_DIR = FOLDER
    hidden = [each for each in without if each not in sys.modules]
    try:
        sys.modules.update(dict.fromkeys(hidden))  # None: Python raises ImportError without looking any further
        return importlib.import_module(name)
    finally:
        for each in hidden:
            del sys.modules[each]


def keep(*libraries):
    """Has numba also keep those functions of imported libraries, named here, that do not ask for it themselves."""
    modules = [
        module for name, module in list(sys.modules.items()) for library in libraries if name.startswith(f"{library}.")
    ]
    for function in {each for module in modules for each in vars(module).values() if isinstance(each, Dispatcher)}:
        function.enable_caching()
