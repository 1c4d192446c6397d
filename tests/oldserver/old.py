"""Start the stand-in for an old container, and write modules for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from types import TracebackType
from typing import Self

from tests.conftest import HEALTHY
from tests.support.service import ROOT


class OldContainer:
    """A running stand-in with its own `home`; `certificate` (chain, key) makes it speak TLS."""

    def __init__(self, home: Path, token: str = "old-token-5e1", certificate: tuple[Path, Path] | None = None) -> None:
        self.home = home
        self.token = token
        self.port = 0
        self._certificate = certificate
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it; a second start has the port of the first."""
        command = [sys.executable, "-m", "tests.oldserver.server", str(self.home)]
        command += [*map(str, self._certificate or ("", "")), str(self.port)]
        environ = os.environ | {"api_token": self.token}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), "the old container does not start"
        self.port = int(line.split()[-1])

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            process, self.process = self.process, None
            process.kill()
            process.wait(timeout=60)
            assert process.stdout is not None
            process.stdout.close()

    def module(self, name: str, **cells: str | None) -> Path:
        """Write the module of an algorithm, from the healthy one with some of its cells changed."""
        return write_module(self.home, name, **cells)


def write_module(home: Path, name: str, **cells: str | None) -> Path:
    """Write ``<home>/app/model/<name>.py``, with the paths of a container's /srv below `home`."""
    folder = home / "app" / "model"
    folder.mkdir(parents=True, exist_ok=True)
    parts = [dedent(text).strip("\n") for text in (HEALTHY | cells).values() if text is not None]
    path = folder / f"{name}.py"
    path.write_text("\n\n".join(parts).replace("/srv/", f"{home}/") + "\n", encoding="utf-8")
    return path
