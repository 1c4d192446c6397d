"""The notebook code that a worker has loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from dltk_runtime.files.state import FileState
from dltk_runtime.notebook.advice import advice
from dltk_runtime.notebook.algorithm import Algorithm
from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.notebook.source import Source, pack
from dltk_runtime.paths import Paths
from dltk_runtime.worker.messages import Code


class LoadedCode:
    """One algorithm with the modules it has imported. `send` gets the code before it runs."""

    def __init__(self, paths: Paths, send: Callable[[Code], None]) -> None:
        self._paths = paths
        self._send = send
        self._finder: CodeFinder | None = None
        self._source: Source | None = None
        self._places: dict[str, str] = {}  # by function: every phase asks, and a text takes longer to make
        self.algorithm: Algorithm | None = None

    def load(self, name: str, kept: Path | None) -> Algorithm:
        """Load an algorithm from its notebook, or from the code `kept` with a version.

        Raises:
            Exception: whatever the code raises when it is imported.
        """
        if self._finder is not None:
            self._finder.remove()
        self._finder = CodeFinder(self._paths, kept)
        self._finder.install()
        if source := self._finder.find(name):
            self._source = source
            self._send(Code(pack([source])))  # before it runs: an import can end the process, too
        self.algorithm = Algorithm(name, self._finder)
        self._places = {function: str(place) for function, place in self.algorithm.places.items()}
        self._send(Code(pack(self._finder.sources)))
        return self.algorithm

    def keep_pictures_in(self, folder: Path) -> None:
        """Let pictures of code that is loaded from now on go into `folder`, not to ``/graphics``."""
        folder.mkdir(exist_ok=True)
        self._paths = replace(self._paths, pictures=folder)

    def place(self, function: str) -> str:
        """Return the coordinates of a function of the algorithm; "" if it does not define it."""
        return self._places.get(function, "")

    def advice(self, error: BaseException) -> str:
        """Return the next step for an error of this code; "" for one that speaks for itself."""
        if self._finder is None:
            return ""
        return advice(error, self._source, self._finder.sources)

    def packed(self) -> bytes:
        """Return all code that is loaded, in the format of a version's ``code.json``."""
        return pack(self._finder.sources if self._finder else [])

    @property
    def states(self) -> list[FileState]:
        """The states of the files that the code came from."""
        return self._finder.states if self._finder else []

    def depend_on(self, states: Iterable[FileState]) -> None:
        """Let a change of these files count as a change of the code."""
        if self._finder is not None:
            self._finder.depend_on(states)
