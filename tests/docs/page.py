"""Run the blocks of one page, in order, in a folder of its own, as a reader would."""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import yaml

from tests.docs import shown_only
from tests.docs.blocks import Block
from tests.docs.expected import matches
from tests.support.service import ROOT, until

SECONDS = 100  # for one block
START_SECONDS = 300  # for a server; MLflow's is slow on a machine with other work
READY = ("listening on", "Uvicorn running on")  # what ours prints, and MLflow's
_CELL = re.compile(r'^# cell(?: "(?P<name>[^"]+)")?.*\n', re.MULTILINE)
# The state that one shell block leaves to the next: its folder and its variables.
_KEEP = 'trap \'export -p > "$DOCS_STATE"; pwd > "$DOCS_FOLDER"\' EXIT'


class PageWrong(AssertionError):
    """A block failed, or printed something else than the page states."""


@dataclass
class Run:
    """The blocks of one page. `variables` are the environment that a reader has set up."""

    name: str
    folder: Path
    variables: Mapping[str, str]
    printed: str | None = None  # by the last block that ran
    _servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, block: Block) -> None:
        """Run or check one block.

        Raises:
            PageWrong: it does not do what the page states.
        """
        if block.mark == "not run":
            self._need(bool(block.detail.strip()), block, "gives no reason why it is not run")
            for problem in shown_only.problems(block.language, block.text):
                raise self._wrong(block, problem)
            self.printed = None
        elif block.mark in self._marks():
            self._marks()[block.mark](block)
        elif block.language in self._languages():
            self._languages()[block.language](block)
        else:
            raise self._wrong(block, f"is in the language {block.language!r}, which is not run here, and is not marked")

    def _marks(self) -> dict[str, Callable[[Block], None]]:
        return {"background": self._serve, "notebook": self._notebook, "file": self._file}

    def _languages(self) -> dict[str, Callable[[Block], None]]:
        return {
            "sh": self._shell,
            "spl": self._search,
            "python": self._python,
            "xml": self._dashboard,
            "json": lambda block: self._parsed(block, json.loads),
            "ini": lambda block: self._parsed(block, configparser.ConfigParser(interpolation=None).read_string),
            "yaml": lambda block: self._parsed(block, yaml.safe_load),
            "text": self._output,
        }

    # ------------------------------------------------------------ kinds of blocks

    def _shell(self, block: Block) -> None:
        state, place = self.folder / ".state", self.folder / ".folder"
        known = f'source "{state}"; cd "$(cat "{place}")"' if state.exists() else f'cd "{self.folder}"'
        text = f"set -euo pipefail\n{known}\n{_KEEP}\n{block.text}"
        environ = self.environ() | {"DOCS_STATE": str(state), "DOCS_FOLDER": str(place)}
        self._call(block, ["bash", "-c", text], environ)

    def _search(self, block: Block) -> None:
        self._call(block, ["dltk", "search", block.text], self.current())

    def _python(self, block: Block) -> None:
        self._call(block, [sys.executable, "-c", block.text], self.current())

    def _dashboard(self, block: Block) -> None:
        """Run every search of a dashboard."""
        for query in ET.fromstring(block.text).iter("query"):
            self._call(block, ["dltk", "search", query.text or ""], self.current())

    def _parsed(self, block: Block, parse: Callable[[str], object]) -> None:
        try:
            parse(block.text)
        except (ValueError, configparser.Error, yaml.YAMLError) as error:
            raise self._wrong(block, f"cannot be parsed: {error}") from error

    def _output(self, block: Block) -> None:
        self._need(self.printed is not None, block, "states the output of no block that ran")
        printed = self.printed or ""
        self._need(matches(block.text, printed), block, f"is not what was printed:\n{printed}")

    def _notebook(self, block: Block) -> None:
        """Write the block as a notebook; everything after a line ``# cell "name"`` is that cell."""
        self._need(block.text.startswith("# cell"), block, 'does not begin with a line # cell "name"')
        pieces = _CELL.split(block.text)[1:]
        cells = [_cell(name, source) for name, source in zip(pieces[::2], pieces[1::2], strict=True)]
        document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        folder = self.cwd() / self.current().get("DLTK_NOTEBOOKS", "notebooks")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{block.detail}.ipynb").write_text(json.dumps(document), encoding="utf-8")
        self.printed = None

    def _file(self, block: Block) -> None:
        (self.cwd() / block.detail).write_text(block.text, encoding="utf-8")
        self.printed = None

    def _serve(self, block: Block) -> None:
        """Start a server and wait until it is ready; it ends with the page."""
        environ = self.current()
        log = self.folder / f"serve{len(self._servers)}.log"
        with open(log, "ab") as file:
            text = f"exec {block.text}"
            server = subprocess.Popen(
                ["bash", "-c", text], cwd=self.cwd(), env=environ, stdout=file, stderr=file, start_new_session=True
            )
        self._servers.append(server)
        until(lambda: server.poll() is not None or any(word in log.read_text() for word in READY), START_SECONDS)
        self._need(server.poll() is None, block, f"ended at once:\n{log.read_text()[-2000:]}")
        self.printed = None

    # ------------------------------------------------------------ state

    def environ(self) -> dict[str, str]:
        """Return the environment of a page's first block."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DLTK_", "api_", "splunk_"))}
        return kept | {"PATH": path, "COLUMNS": "100", "HOME": str(self.folder)} | dict(self.variables)

    def current(self) -> dict[str, str]:
        """Return the environment as the shell blocks have left it."""
        state = self.folder / ".state"
        if not state.exists():
            return self.environ()
        command = ["bash", "-c", f'source "{state}"; env -0']
        text = subprocess.run(command, env=self.environ(), capture_output=True, text=True, check=True).stdout
        return dict(line.partition("=")[::2] for line in text.split("\0") if line)

    def cwd(self) -> Path:
        """Return the folder in which the last shell block ended."""
        place = self.folder / ".folder"
        return Path(place.read_text().strip()) if place.exists() else self.folder

    def close(self) -> None:
        """End the servers that the page started."""
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.wait(timeout=30)
            with contextlib.suppress(ProcessLookupError):  # what it has started itself
                os.killpg(server.pid, signal.SIGKILL)

    def _call(self, block: Block, command: list[str], environ: Mapping[str, str]) -> None:
        done = subprocess.run(
            command,
            cwd=self.cwd(),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        as_stated = (done.returncode != 0) == (block.mark == "fails")
        self._need(as_stated, block, f"ended with exit code {done.returncode}:\n{done.stdout}")
        self.printed = done.stdout

    def _need(self, holds: bool, block: Block, problem: str) -> None:
        if not holds:
            raise self._wrong(block, problem)

    def _wrong(self, block: Block, problem: str) -> PageWrong:
        return PageWrong(f"{self.name}, line {block.line}: the block {problem}")


def free_port() -> int:
    """Return a port of the loopback that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def reader(name: str, folder: Path, variables: Mapping[str, str] | None = None) -> Iterator[Run]:
    """Yield a `Run` in a folder that looks like a clone of the project after ``make setup``.

    Without `variables` the page starts a server of its own, on a free port.
    """
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copytree(ROOT / "deploy" / "splunk", folder / "deploy" / "splunk")
    (folder / ".venv").symlink_to(sys.prefix)
    port = str(free_port())
    own = {"DLTK_PORT": port, "DLTK_URL": f"http://127.0.0.1:{port}", "MLFLOW_PORT": str(free_port())}
    own["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # so that it starts sooner
    run = Run(name, folder, variables or own)
    try:
        yield run
    finally:
        run.close()


def _cell(name: str | None, source: str) -> dict[str, object]:
    metadata: dict[str, object] = {"name": name} if name and name != "parameters" else {}
    if name == "parameters":
        metadata = {"tags": ["parameters"]}
    text = dedent(source).strip("\n")
    return {"cell_type": "code", "metadata": metadata, "source": text, "outputs": [], "execution_count": None}
