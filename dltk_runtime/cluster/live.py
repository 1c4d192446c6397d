"""The code on disk now, for a version that does not run its own."""

from __future__ import annotations

from dataclasses import dataclass

from dltk_runtime.cluster.code import read
from dltk_runtime.errors import DltkError
from dltk_runtime.files.state import FileState
from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.notebook.source import pack, unpack
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import Version


@dataclass(frozen=True, slots=True)
class Live:
    """Code, as `notebook.source.pack` encodes it, and the states of its files.

    `code` is empty where the version's own runs in its place: it is the same, or a file cannot be
    read, as `problem` says then.
    """

    code: bytes
    states: tuple[FileState, ...]
    problem: str = ""


def live_of(version: Version, paths: Paths) -> Live:
    """Return the code on disk for a version."""
    finder = CodeFinder(paths)
    try:
        read(finder, version.name.algorithm)
    except DltkError as error:
        return Live(b"", tuple(finder.states), error.sentence)
    known = {(each.path, each.sha256) for each in unpack(version.code())}
    same = bool(finder.sources) and {(each.path, each.sha256) for each in finder.sources} <= known
    return Live(b"" if same or not finder.sources else pack(finder.sources), tuple(finder.states))
