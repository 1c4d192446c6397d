"""Map errors to coordinates: notebook, cell and line, numbered as Jupyter shows them.

A frame belongs to user code if its file name is one that `Cell.filename` gives: a notebook's cell,
or a file imported as ``app.model.<name>``. Other frames belong to libraries or this runtime.
"""

from __future__ import annotations

import io
import linecache
import re
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.notebook.cells import Cell
from dltk_runtime.notebook.source import Source

# Linear on any text (`tests/project/test_foreign_text.py`): tracebacks and dumps are the notebook's.
_CELL = re.compile(r"(?P<notebook>(?>[^/](?s:.)*?\.ipynb(?=, cell \d))), cell (?P<cell>\d{1,9}+)(?: \((?P<name>.*)\))?")
_FILE = re.compile(r"app/model/.+\.py")
_DUMPED = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d{1,9}) in (?P<function>(?s:.*+))')
_SHOWN = re.compile(
    r'^ *+(?=File .*+\n)File "(?P<file>.*)", line (?P<line>\d{1,9}), in (?P<function>.*+)\n *+(?P<text>.*+)',
    re.MULTILINE,
)
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")
_RUNTIME = str(Path(__file__).parent.parent) + "/"
# Exceptions with which process pools (multiprocessing, concurrent.futures, joblib) attach the
# traceback of a child process.
_REMOTE_TRACEBACKS = ("RemoteTraceback", "_RemoteTraceback")
_SITE = _RUNTIME + "site/"
_MAX_LINE_LENGTH = 160  # characters of a source line in a message


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A line of a notebook's cell.

    `cell` and `line` count from 1; `cell` is 0 for a ``.py`` file. `text` is the line, stripped.
    """

    notebook: str
    cell: int
    cell_name: str
    line: int
    text: str = ""
    function: str = ""

    def __str__(self) -> str:
        """Format as ``umap.ipynb, cell 22 (mltkc_fit), line 7: `x = float(s)```."""
        cell = f", cell {self.cell}" if self.cell else ""
        name = f" ({self.cell_name})" if self.cell_name else ""
        shown = self.text if len(self.text) <= _MAX_LINE_LENGTH else self.text[:_MAX_LINE_LENGTH] + "…"
        text = f": `{shown}`" if shown else ""
        return f"{self.notebook}{cell}{name}, line {self.line}{text}"


def coordinates(error: BaseException) -> Coordinates | None:
    """Find the innermost frame of `error` in a notebook or helper; None if there is none.

    For a SyntaxError, that is the line that does not parse. If an error has no frame in user code,
    its group's members and its causes are searched.
    """
    return next((found for each in _related(error) if (found := _raised_at(each))), None)


def coordinates_in(dump: str, sources: Iterable[Source] = ()) -> Coordinates | None:
    """Find the innermost frame of user code in a dump of `faulthandler` (most recent call first).

    The current thread is searched first, then the others in reverse order, so that the main
    thread, which is dumped last, comes next. Source lines come from `sources`, as a dump has none.
    """
    current, others = _threads(dump)
    for frames in (current, *reversed(others)):
        for file, line, function in frames:
            if found := _place(file, line, function, ""):
                return _with_text(found, sources)
    return None


def format_traceback(error: BaseException) -> str:
    """Format the traceback like Python, without frames of this runtime and the import system."""
    shown = traceback.TracebackException.from_exception(error)
    _hide_frames(shown, set())
    return "".join(shown.format())


def _related(error: BaseException) -> Iterator[BaseException]:
    """Walk the error, its group's members and its causes, each once, nearest first."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        cause = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        members = each.exceptions if isinstance(each, BaseExceptionGroup) else ()
        waiting += [*members, *([cause] if cause else [])]


def _raised_at(error: BaseException) -> Coordinates | None:
    if isinstance(error, SyntaxError) and error.filename:
        found = _place(error.filename, error.lineno or 1, "<module>", (error.text or "").strip())
        if found:
            return found
    if type(error.__cause__).__name__ in _REMOTE_TRACEBACKS and (found := _in_traceback(str(error.__cause__))):
        return found
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        text = linecache.getline(code.co_filename, line).strip()
        found = _place(code.co_filename, line, code.co_qualname, text) or found
    return found


def _in_traceback(text: str) -> Coordinates | None:
    """Find the innermost line of user code in a formatted traceback."""
    found = None
    for each in _SHOWN.finditer(text):
        found = _place(each["file"], int(each["line"]), each["function"], each["text"]) or found
    return found


def _place(file: str, line: int, function: str, text: str) -> Coordinates | None:
    """Return the coordinates of a line of user code; None for any other file."""
    if cell := _CELL.fullmatch(file):
        notebook, number, name = cell["notebook"], int(cell["cell"]), cell["name"] or ""
    elif _FILE.fullmatch(file):
        notebook, number, name = file, 0, ""
    else:
        return None
    return Coordinates(notebook, number, name, line, text, function)


def _with_text(place: Coordinates, sources: Iterable[Source]) -> Coordinates:
    for source in sources:
        for cell in source.cells:
            if (source.path, cell.number) == (place.notebook, place.cell):
                return at(source, cell, place.line, place.function)
    return place


def at(source: Source, cell: Cell, line: int, function: str = "") -> Coordinates:
    """Return the coordinates of a line (from 1) of a source's cell."""
    # Not `splitlines`, which splits at more characters than Python's parser.
    lines = io.StringIO(cell.source, newline=None).readlines()
    text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    return Coordinates(source.path, cell.number, cell.name, line, text, function)


def _threads(dump: str) -> tuple[list[tuple[str, int, str]], list[list[tuple[str, int, str]]]]:
    """Return the frames (file, line, function) of the current thread and of each other one."""
    current: list[tuple[str, int, str]] = []
    others: list[list[tuple[str, int, str]]] = []
    frames = current
    for text in dump.splitlines():
        if text.endswith("(most recent call first):"):
            frames = []
            if text.startswith("Current thread"):
                current = frames
            else:
                others.append(frames)
        elif found := _DUMPED.fullmatch(text):
            frames.append((_unescaped(found["file"]), int(found["line"]), found["function"]))
    return current, others


def _unescaped(file: str) -> str:
    """Return a file name of a dump, in which `faulthandler` escapes all but ASCII."""
    return _ESCAPED.sub(lambda found: chr(int(found[1] or found[2] or found[3], 16)), file)


def _hide_frames(shown: traceback.TracebackException, seen: set[int]) -> None:
    if id(shown) in seen:
        return
    seen.add(id(shown))
    shown.stack = traceback.StackSummary.from_list([frame for frame in shown.stack if not _is_ours(frame.filename)])
    for related in (shown.__cause__, shown.__context__, *(shown.exceptions or ())):
        if related:
            _hide_frames(related, seen)


def _is_ours(file: str) -> bool:
    return file.startswith((_RUNTIME, "<frozen importlib", "<frozen runpy")) and not file.startswith(_SITE)
