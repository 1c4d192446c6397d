"""What every measurement gets: how much to do, and servers to do it with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from bench import programs, servers
from bench.servers import Server


@dataclass
class World:
    """A folder for the servers' files, with the notebooks in it; `quick` is for trying the programs out."""

    quick: bool
    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="dltk-bench-")))
    _homes: int = 0

    def __post_init__(self) -> None:
        programs.write(self.notebooks)

    @property
    def notebooks(self) -> Path:
        return self.folder / "notebooks"

    def rounds(self, many: int) -> int:
        """How often to measure: `many` times, or just often enough to see that it works."""
        return max(2, many // 10) if self.quick else many

    def home(self) -> Path:
        """A new home for a server."""
        self._homes += 1
        return self.folder / f"home{self._homes}"

    @contextlib.contextmanager
    def service(self, at: Path | None = None, **variables: str) -> Iterator[Server]:
        """The service alone, over a new home or over that `at` a place."""
        with servers.service(at or self.home(), self.notebooks, **variables) as server:
            yield server

    @contextlib.contextmanager
    def both(self, *, tls: bool = False) -> Iterator[tuple[Server, Server]]:
        """The service and the naive server, with the same certificate when they speak TLS."""
        variables = {"ENABLE_HTTPS": "true"} if tls else {}
        with self.service(**variables) as ours:
            certificate = (ours.home / "tls" / "server.crt", ours.home / "tls" / "server.key") if tls else None
            with servers.naive(self.home(), self.notebooks, certificate) as naive:
                yield ours, naive
