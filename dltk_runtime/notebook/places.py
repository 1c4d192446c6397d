"""Where modules lie: notebooks in a folder and its sub-folders, helpers, and an old volume's files.

``app.model.NAME`` is the first of these that exists:

1. ``NAME.ipynb`` in the notebooks' folder,
2. ``NAME.ipynb`` in a sub-folder: of several, the one below the fewest folders, then the first by path,
3. ``NAME.py`` or ``NAME/__init__.py`` of the helpers, then of an old volume.

Hidden folders and those of packages are not searched, nor ``data`` and ``logs``, where searches and
notebooks write. `left_out` names every notebook that is not used, with the reason.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from dltk_runtime.errors import NameInvalid
from dltk_runtime.files import state
from dltk_runtime.files.state import FileState
from dltk_runtime.names import checked_algorithm
from dltk_runtime.paths import Paths

MAX_FOLDERS = 1000  # that are searched for notebooks, those below the fewest folders first
SUFFIX = ".ipynb"
_NOT_SEARCHED = ("data", "logs")  # in the notebooks' folder


class LeftOut(NamedTuple):
    """A notebook that no search can use: its path below the notebooks' folder, and the reason."""

    path: str
    why: str


def folders(paths: Paths) -> tuple[Path, Path, Path]:
    """Return the searched folders in order: notebooks, their helpers, modules of an old volume."""
    return paths.notebooks, paths.helpers, paths.modules


def candidates(name: str, paths: Paths, listed: Callable[[FileState], None] = lambda _: None) -> Iterator[Path]:
    """List the possible files of ``app.model.<name>``; the first that exists is used.

    `listed` is called with the state of each folder whose sub-folders decide about the next ones.
    """
    files = [f"{form}{SUFFIX}" for form in _forms(name)]
    for folder in walk(paths, listed):
        yield from (folder / file for file in files)
    yield from python_files(name, paths)


def python_files(name: str, paths: Paths) -> Iterator[Path]:
    """List those of the `candidates` that are not notebooks."""
    for folder in folders(paths)[1:]:
        yield folder / name / "__init__.py"
        yield folder / f"{name}.py"


def walk(paths: Paths, listed: Callable[[FileState], None] = lambda _: None) -> Iterator[Path]:
    """Yield the folders that are searched for notebooks, level by level, each sorted by path.

    A folder is listed only when the next level is asked for.
    """
    level, count = [paths.notebooks], 0
    while level:
        yield from level[: MAX_FOLDERS - count]
        count += len(level)
        if count >= MAX_FOLDERS:
            return
        level = sorted(child for folder in level for child in _children(folder, paths, listed))


def notebooks(paths: Paths) -> dict[str, list[Path]]:
    """Return the notebooks by module name, that which is used first; invalid names are left out."""
    found: dict[str, list[Path]] = {}
    for path in _files(walk(paths)):
        if (name := name_of(path)) is not None:
            found.setdefault(name, []).append(path)
    return found


def name_of(path: Path) -> str | None:
    """Return the module name of a notebook's file; None if its name is invalid."""
    try:
        return checked_algorithm(path.name.removesuffix(SUFFIX))
    except NameInvalid:
        return None


def shown(path: Path, notebooks: Path | None) -> str:
    """Return a notebook's path as messages name it: ``umap.ipynb``, ``team/umap.ipynb``."""
    if notebooks is not None and path.is_relative_to(notebooks):
        return path.relative_to(notebooks).as_posix()
    return path.name


def clash(name: str, paths: Paths) -> str:
    """Return a sentence part about notebooks of one name that are not used; "" if there are none."""
    return clash_of([shown(path, paths.notebooks) for path in notebooks(paths).get(name, [])])


def clash_of(files: list[str]) -> str:
    """Return what `clash` says about `files`, of which the first is used."""
    if len(files) < 2:
        return ""
    used, *others = files
    verb = "is" if len(others) == 1 else "are"
    return f"{used} is used, and {', '.join(others)} of the same name {verb} not: rename one"


def left_out(paths: Paths) -> list[LeftOut]:
    """List the notebooks that cannot be used because of their names or places."""
    searched = list(walk(paths))
    found = [LeftOut(shown(path, paths.notebooks), _name_problem(path)) for path in _files(iter(searched))]
    found = [each for each in found if each.why]
    for used, *others in notebooks(paths).values():
        why = f"{shown(used, paths.notebooks)} has the same name and is used: rename one"
        found += [LeftOut(shown(path, paths.notebooks), why) for path in others]
    for folder in _unsearched(paths):
        why = f"notebooks below {folder.name}/ are not searched: move it"
        found += [LeftOut(shown(path, paths.notebooks), why) for path in _files(_below(folder))]
    if len(searched) >= MAX_FOLDERS:
        found.append(LeftOut("…", f"only {MAX_FOLDERS:,} folders are searched for notebooks"))
    return sorted(found)


def _unsearched(paths: Paths) -> list[Path]:
    return [paths.notebooks / name for name in _NOT_SEARCHED]


def _below(folder: Path) -> Iterator[Path]:
    level = [folder]
    for _ in range(MAX_FOLDERS):
        if not level:
            return
        yield (first := level.pop(0))
        level += [first / name for name in state.folders_in(first)[0]]


def _name_problem(path: Path) -> str:
    stem = path.name.removesuffix(SUFFIX)
    if stem.endswith(".new"):
        return "the new version of a file that was edited: compare the two, and remove or rename this one"
    try:
        checked_algorithm(stem)
    except NameInvalid as error:
        return error.sentence
    return ""


def _files(searched: Iterator[Path]) -> Iterator[Path]:
    """Yield the notebooks' files in folders, those of one folder sorted."""
    for folder in searched:
        yield from sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file() and path.name[0] != ".")


def _children(folder: Path, paths: Paths, listed: Callable[[FileState], None]) -> list[Path]:
    names, found = state.folders_in(folder)
    listed(found)
    return [folder / name for name in names if folder != paths.notebooks or name not in _NOT_SEARCHED]


def _forms(name: str) -> tuple[str, ...]:
    """Return the forms of a name that a file system may hold: some decompose letters (NFD)."""
    decomposed = unicodedata.normalize("NFD", name)
    return (name,) if decomposed == name else (name, decomposed)
