"""Save what coverage.py has measured in a worker before each of its messages: it ends by SIGKILL, without a handler.

A plugin of coverage.py, named in ``tools/coverage.toml``.
"""

from __future__ import annotations

import contextlib
import importlib
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from coverage import Coverage
from coverage.exceptions import CoverageException

CHANNEL = "dltk_runtime.worker.channel"


def coverage_init(_registry: Any, _options: Any) -> None:
    """Prepare the workers; every other process ends by itself and saves then."""
    if "dltk_runtime.worker" in sys.orig_argv:
        threading.Thread(target=wrap_send, daemon=True, name="coverage").start()


def wrap_send() -> None:
    """Replace `channel.send`, once the worker has imported it."""
    while not hasattr(sys.modules.get(CHANNEL), "send"):
        time.sleep(0.001)
    channel = importlib.import_module(CHANNEL)
    send: Callable[..., Any] = channel.send

    def save_and_send(*arguments: Any, **named: Any) -> Any:
        measured = Coverage.current()
        with contextlib.suppress(CoverageException, sqlite3.Error, RuntimeError):
            if measured is not None:
                measured.save()
        return send(*arguments, **named)

    channel.send = save_and_send  # type: ignore[attr-defined]
