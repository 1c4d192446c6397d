"""Cache the code that numba compiles, so that only the first worker waits for the compiler."""

from __future__ import annotations

import importlib
import sys

import numba
from numba.core.dispatcher import Dispatcher

FOLDER = "/srv/app/cache/numba"


def imported(name, without=()):
    """Import the library `name` with numba's cache in `FOLDER`.

    This works even if the library's folder and the home are read-only, where numba would raise.

    Args:
        name: The library.
        without: Optional dependencies of it that are not imported, which saves seconds and memory.
    """
    numba.config.CACHE_DIR = FOLDER
    hidden = [each for each in without if each not in sys.modules]
    try:
        sys.modules.update(dict.fromkeys(hidden))  # None: the import raises ImportError
        return importlib.import_module(name)
    finally:
        for each in hidden:
            del sys.modules[each]


def keep(*libraries):
    """Enable numba's cache for all compiled functions of imported libraries."""
    modules = [
        module for name, module in list(sys.modules.items()) for library in libraries if name.startswith(f"{library}.")
    ]
    for function in {each for module in modules for each in vars(module).values() if isinstance(each, Dispatcher)}:
        function.enable_caching()
