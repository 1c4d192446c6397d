"""The code on disk now, for a version that does not run its own."""

from __future__ import annotations

from dataclasses import dataclass

from dltk_runtime.cluster.code import finder_of
from dltk_runtime.errors import DltkError
from dltk_runtime.files.state import FileState
from dltk_runtime.notebook.source import pack, unpack
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import Version


@dataclass(frozen=True, slots=True)
class Live:
    """Code, as `notebook.source.pack` encodes it, and the states of its files.

    `code` is empty where the version's own is the same, so that it may run in its place.
    """

    code: bytes
    states: tuple[FileState, ...]


def live_of(version: Version, paths: Paths) -> Live | None:
    """Return the code on disk for a version; None without a notebook that can be read."""
    try:
        finder = finder_of(version.name.algorithm, paths)
    except DltkError:
        return None
    known = {(each.path, each.sha256) for each in unpack(version.code())}
    same = bool(finder.sources) and {(each.path, each.sha256) for each in finder.sources} <= known
    return Live(b"" if same or not finder.sources else pack(finder.sources), tuple(finder.states))
