"""Keep what numba compiles: for the notebooks of the library it takes minutes in all."""

from __future__ import annotations

from pathlib import Path

import pytest


def keep_compiled(home: Path, config: pytest.Config) -> None:
    """Make the folder of caches of a new `home` the one that tests share, and that stays for their next run."""
    (home / "app").mkdir(parents=True)
    cache = getattr(config, "cache", None)
    if cache is not None:
        (home / "app" / "cache").symlink_to(cache.mkdir("compiled"))
