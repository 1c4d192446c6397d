"""Text from outside costs work in proportion to its length, whatever it is and however it is cut.

Foreign text is what notebooks print and raise, names in requests, rows, and answers of other systems. Each pattern
that reads it is in `FOREIGN`, with pieces of what it looks for; every other one is in a file of `OWN`.
"""

from __future__ import annotations

import gc
import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from unittest import mock

import pytest
from nbformat import NotebookNode

from dltk_runtime.batch.printed import WholeLines, coalesced
from dltk_runtime.emulator import lexer
from dltk_runtime.errors import closest, cut, shown
from dltk_runtime.inventory.calls import find
from dltk_runtime.jobs.progress import PrintedProgress
from dltk_runtime.logs import JsonLines, PrintedLines
from dltk_runtime.notebook.coordinates import coordinates_in
from dltk_runtime.notebook.review import Review
from dltk_runtime.scrub import ScrubbedStream, Scrubber
from dltk_runtime.texts import printable
from tests.project.patterns import Use, uses

CHARACTERS, DOUBLINGS, MAX_GROWTH = 1000, 3, 2.5  # of the shorter text; then three times doubled
NEGLIGIBLE_SECONDS = 0.002  # of processor time; quadratic work on 8,000 characters takes many times that
# Texts of which every pattern gets long runs, alone and beside what it looks for.
COMMON = ("a", "1", " ", "\n", '"', "\\", "|", "(", ",", ".", "-", "\r", "é")

# Files whose patterns read what the person who starts the command wrote, or the project's own files.
OWN = {
    "dltk_runtime/emulator/": "a search that a person types into `dltk search`, and files of that person",
    "dltk_runtime/flows/": "files of a flow, read by its author's own command",
    "dltk_runtime/server/openapi.py": "our own routes",
    "dltk_runtime/setting_types.py": "variables of the environment",
    "tools/": "files of this project",
}
OWN_PATTERNS = {
    "scrub.py: _WORD": "secrets that the operator set",
    "secret_forms.py: _ESCAPE": "forms of secrets that the operator set",
    "secret_names.py: _CREDENTIALS": "values of the container's own variables",
    "server/refusals.py: '(?<=[a-z])(?=[A-Z])'": "names of our own classes",
    "settings/unknown.py: _SERVICE_LINK": "names of the container's own variables",
}
FOREIGN: dict[str, tuple[str, ...]] = {
    "batch/order.py: '[^A-Za-z0-9_]'": ("a.",),
    "commands/batch.py: name": ("~", "-"),
    "names.py: _INVISIBLE": ("\u3164",),
    "names.py: _PLAIN": ("_", "a-"),
    "names.py: _QUOTED": ("~", "~2", "~20"),
    "names.py: _UNQUOTED": ("~", "é"),
    "notebook/advice.py: _NO_CUDA": ("no ", "CUDA ", "not compiled with ", "torch.cuda.is_available() "),
    "notebook/cells.py: _MAGIC_LINE": ("%", "\n ", "\n!", "a?", "a.b", "a??  ", "\n\t"),
    "notebook/convert.py: _MARK": ("#", "# ", "# %", "\n#", "# mltkc_", "# %% mltkc_a"),
    "notebook/coordinates.py: _ESCAPED": ("\\x", "\\u00", "\\U0000"),
    "notebook/outline.py: _ASSIGNED_MAGIC": ("=", " = ", "  =", "a = %", "= !\n"),
    "server/console/failures.py: _PLACE": (", cell 1", ", cell 1 (a), line ", ", cell ", ", cell 1, line 1"),
    "server/console/visible.py: _UNSEEN": ("\x1b", "\u202e", "\x00"),
    "scrub.py: _REMOVED": ("\r\n", "\\r", "\\n", "%0D", "%0", "&#13;", "&#1"),
    "secret_forms.py: _HEX": ("%2", "%2F", "%", "%%"),
    "secret_names.py: _SEPARATORS": ("_", "-", " _", "a_"),
    "secret_names.py: _SESSION_KEY_IN_TEXT": (
        *("session_key = ", "session key", "sessionkey: bearer ", "authString%3D", "sessionkeys>", "authtoken: b'["),
    ),
    "secret_names.py: _HEADER_VALUE": ("splunk ", "bearer a", "basic  ", "splunk 1", "splunk aaaaaaaaaaaaaaaa"),
    "splunk/rows.py: '[\\\\ud800-\\\\udfff]'": ("\ud800", "\udfff"),
    "batch/place.py: _ANSI": ("\x1b[", "\x1b[1", "\x1b[1;"),
    "batch/place.py: _FRAME": ("Cell In[", "Cell In[1], line ", "Cell In[1], line 1"),
    "doctor/clients.py: '\\\\d+'": ("1",),
    "doctor/clients.py: 'https?://[^/\\\\s]'": ("https://", "http:"),
    "doctor/log_lines.py: EVENTS": ("ready ", "a/"),
    "doctor/log_lines.py: _ERROR": ("Error", "\nValueError", "a.b", "\na."),
    "doctor/log_lines.py: _FRAME": ('File "', '\n  File "a", line 1, in ', 'File "a", line 1', "\n "),
    "doctor/secrets.py: _BETWEEN_PARTS": (",;", " ="),
    "doctor/owners.py: _COMMAND": ('|\\"', '|"', '| fit "\\', "[fit ", '|"\\\\'),
    "doctor/owners.py: _COMMENT": ("```", "``` a", "```\n"),
    "doctor/owners.py: _INTO": ("into ", "into app:", 'into "', "into into"),
    "doctor/owners.py: _MODEL": ("app:", '"app:', "user:a"),
    "jobs/progress.py: '[\\\\r\\\\n\\\\b]+'": ("\r\n", "\b"),
    "jobs/progress.py: _COLOR": ("\x1b[", "\x1b[1", "\x1b[1;"),
    "jobs/progress.py: _EPOCH": ("epoch ", "Epoch 1/", "epoch: [", "epoch 1 ", "epochepoch"),
    "jobs/progress.py: _METRIC": ("a: ", "a:1", "a: 1.1", "a:1e1", "a_:1e", "loss: -1.", "a:1 "),
    "jobs/progress.py: _TQDM": ("1%|", "1%| |", "100%|█", "1%||1/", "1%||1", "1%"),
    "jobs/claim.py: _TURN": ("free-", "owned-1", "free-1-"),
    "jobs/index.py: ID": ("20260131T000000.000000Z-", "2"),
    "names.py: _NAME": ("_", "a1"),
    "notebook/algorithm.py: _MENTIONED": ("def ", "\\ndef ", "import ", "defdef"),
    "notebook/algorithm.py: defines": ("async ", "def ", "fit ", "fit\n", "\nasync\n", "def\n"),
    "notebook/catalogue.py: _SEARCH": ("```\n", "```a\n", "\n```", "```a", "\n``` "),
    "notebook/cells.py: _CONTRACT": ("def ", "\ndef\n", "def fit", "\ndef "),
    "notebook/coordinates.py: _CELL": ("a.ipynb, cell 1 (", "a.ipynb, cell 1", ".ipynb", "a.ipynb, cell 1)"),
    "notebook/coordinates.py: _DUMPED": ('  File "', '", line 1 in ', '  File "a", line 1', '  File "a", line 1 in a'),
    "notebook/coordinates.py: _FILE": ("app/model/", "app/model/a.py", ".py"),
    "notebook/coordinates.py: _SHOWN": (
        'File "',
        ' File "a", line 1, in a',
        '", line 1, in a',
        'File "a", line 1, in a\n',
        'File "a", line 1',
    ),
    "notebook/declaration.py: '[+-]?[0-9]{1,18}'": ("+", "-1"),
    "notebook/outline.py: _DEFINE": ("async ", "def ", "async def "),
    "notebook/outline.py: _MAGIC": ("a = ", "!", "a?", "=", "a, b ", "?"),
    "notebook/parameters.py: _INJECTED": ("# ", "# Injected ", "# Parameters"),
    "pool/gpus.py: _UUID": ("GPU UUID:", "GPU UUID: GPU-", "\nGPU UUID:\n"),
    "pool/shortage.py: _BYTES": ("allocat", "allocating ", "allocating 1", "allocating 1 ", "allocated 1,"),
    "pool/shortage.py: _ON_CPU": ("device:", "DefaultCPU", "device:cpu"),
    "pool/shortage.py: _PHRASE": ("Tried to allocate ", "Tried to allocate 1.", "Tried to allocate 1 "),
    "pool/shortage.py: _SHORT": ("out of ", "CUBLAS_STATUS_", "RESOURCE", "ResourceExhausted"),
    "pool/shortage.py: _TENSOR": ("allocating tensor with shape ", "allocating tensor with shape[1,", "[1] and type "),
    "secret_names.py: _VARIABLE": ("toke", "secre", "pass", "key"),
    "server/body.py: _START": ('{"data":"', "{ ", '{"data" ', '{"data": '),
    "server/json_text.py: _FIRST_HALF": ("\\u", "\\ud8"),
    "server/request_id.py: _ID": ("a-", "/"),
    "store/drawn.py: _NAME": ("a.", "a-"),
    "site/dsdlsupport/SplunkGenerateGraphicsObjects.py: _KEY": ("a.", "a-"),
    "splunk/columns.py: _DATES": ("2026-01-31", "2026-01-31\n", "2026-01-31T"),
    "splunk/columns.py: _NUMBERS": ("1\n", "1.1", "1e+10\n", "nan\n", "-inf", "0.0", "1e+1"),
    "splunk/search.py: 'search\\\\s'": ("search ",),
    "splunk/search.py: _WRITES": ("| ", "|delete", "| outputlookup", "|  "),
    "store/layout.py: _NUMBER": ("1", "0"),
    "store/layout.py: _NUMBERED": (".new-", "1", "."),
    "store/objects/bucket.py: _QUERY": ("?", "?a", ")"),
    "store/objects/keys.py: _NUMBER": ("0", "01"),
    "store/objects/pointer.py: _PROMOTED": ("0" * 18, "0-", "-0-"),
    "texts.py: _COLOR": ("\x1b[", "\x1b[1", "\x1b[1;"),
    "texts.py: _UNSAFE": ("\x00", "\u202e"),
    "tables/csv_columns.py: _MINUS_ZERO": ("-0", "-", "0", "-00,"),
    "tables/csv_reader.py: _NAMES": ("a,", "a", ",", "a,,"),
    "tables/csv_reader.py: b'(?:%b(?:,%b){%d}\\n)++' % (_NUMBER, _NUMBER, width - 1)": (
        "1,1\n",
        "1.1,1\n",
        "1,",
        "1\n",
    ),
    "tables/quoting.py: '([,\\n])'": (",", "\n"),
    "tables/quoting.py: _BLANK": (" ", "\t"),
    "tables/quoting.py: _BLANK_LINE": ("\n ", "\n \n", " \n"),
    "tables/quoting.py: _SPECIAL": ('"', ","),
}


def own(use: Use) -> bool:
    return use.file.startswith(tuple(OWN)) or str(use) in OWN_PATTERNS


def foreign() -> list[Use]:
    return [use for use in uses() if not own(use)]


def hostile(pieces: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield texts as what opens them, what is repeated, and what ends them."""
    for unit in (*pieces, *COMMON):
        yield from (("", unit, end) for end in ("", "!", "\n"))
    for piece in pieces:
        for unit in COMMON:
            yield piece, unit, ""
            yield "", piece + unit, "!"


def written(shape: tuple[str, str, str], characters: int) -> str:
    opening, unit, ending = shape
    return opening + unit * (characters // len(unit)) + ending


def grows_linearly(work: Callable[[str], object], shape: tuple[str, str, str], attempts: int = 12) -> bool:
    """Tell whether text three times doubled costs at most 2.5 times the work for each doubling.

    Processor time, which others on the machine do not count in; of slow measurements the fastest counts.
    """
    short, long = (written(shape, CHARACTERS * factor) for factor in (1, 2**DOUBLINGS))
    once, taken = math.inf, math.inf
    for _ in range(attempts):
        taken = min(taken, seconds(work, long))
        if taken <= NEGLIGIBLE_SECONDS:
            return True
        once = min(once, seconds(work, short))
        if taken <= once * MAX_GROWTH**DOUBLINGS:
            return True
    return False


def seconds(work: Callable[[str], object], text: str) -> float:
    gc.disable()  # how often it looks depends on all that this process holds
    try:
        began = time.process_time()
        work(text)
        return time.process_time() - began
    finally:
        gc.enable()


def substituted(use: Use) -> re.Pattern[str] | re.Pattern[bytes]:
    """Compile a pattern; one that is made from a variable is taken with a value of it."""
    if use.name == "defines":
        return re.compile(
            use.written.replace("{name}", "fit").removeprefix("rf")[1:-1].replace("\\\\", "\\"), re.MULTILINE
        )
    if "width" in use.written:
        from dltk_runtime.tables.csv_reader import _rows

        return _rows(2)
    return use.pattern()


def test_every_pattern_is_listed_as_one_over_foreign_or_over_our_own_text() -> None:
    found = {str(use) for use in foreign()}
    assert found - FOREIGN.keys() == set(), "list these in FOREIGN with hostile texts, or their file in OWN"
    assert FOREIGN.keys() - found == set(), "these are gone"
    assert [name for name in OWN if not any(use.file.startswith(name) for use in uses())] == [], "these too"
    assert OWN_PATTERNS.keys() - {str(use) for use in uses()} == set(), "and these"


@pytest.mark.parametrize("name", FOREIGN)  # not `foreign()`: each process that collects tests would parse all files
def test_no_pattern_over_foreign_text_costs_more_than_in_proportion(name: str) -> None:
    for use in foreign():
        if str(use) == name:
            check_cost(use)


def check_cost(use: Use) -> None:
    pattern = substituted(use)
    apply = {"sub": lambda text: pattern.sub(type(text)(), text)}
    for method in use.methods:
        call: Callable[[str], object] = apply.get(method) or getattr(pattern, method)

        def work(text: str, call: Callable[..., object] = call, exhaust: bool = method == "finditer") -> None:
            given = text.encode() if isinstance(pattern.pattern, bytes) else text
            list(call(given)) if exhaust else call(given)  # type: ignore[call-overload]

        steep = [shape for shape in hostile(FOREIGN[str(use)]) if not grows_linearly(work, shape)]
        assert steep == [], f"{pattern.pattern!r}.{method}"


def test_a_quadratic_pattern_is_noticed() -> None:
    assert not grows_linearly(re.compile(r".*\r(?=[^\n])").search, ("", "a", ""), attempts=1)


# ---------------------------------------------------------------- functions


def in_pieces(take: Callable[[str], object], end: Callable[[], object] = lambda: None) -> Callable[[str], None]:
    """Feed text as it comes from a process: in pieces of 32 characters."""

    def feed(text: str) -> None:
        for start in range(0, len(text), 32):
            take(text[start : start + 32])
        end()

    return feed


def stream(text: str, name: str = "stdout") -> NotebookNode:
    return NotebookNode(output_type="stream", name=name, text=text)


# Of secrets that begin again everywhere in `hostile` texts.
SCRUBBER = Scrubber(["a" * 24, "1 1 1 1\n\n\n", "\\n" * 9])


def whole_lines(text: str) -> None:
    lines = WholeLines(len, SCRUBBER)
    in_pieces(lines.feed, lines.end)(text)


def logged(text: str) -> None:
    lines = PrintedLines(job="j")
    in_pieces(lambda piece: lines.write(piece.encode()))(text)


def formatted(text: str) -> str:
    record = logging.LogRecord("dltk", logging.INFO, "", 0, text, (), None)
    record.fields = {"text": text}
    return JsonLines().format(record)


def calls_in(text: str) -> None:
    """Find the calls in a search, each of whose parts is read as if it had not been read before."""
    with mock.patch.object(lexer, "MAX_KNOWN_CHARACTERS", -1):
        find(text, {})


FUNCTIONS: dict[str, Callable[[str], object]] = {
    "batch: whole lines, from pieces": whole_lines,
    "batch: outputs of a cell, one": lambda text: coalesced([stream(text)]),
    "batch: outputs of a cell, in pieces": lambda text: coalesced(
        [stream(text[start : start + 32]) for start in range(0, len(text), 32)]
    ),
    "secrets": lambda text: SCRUBBER.value([text, {text: text}]),
    "secrets, from pieces": in_pieces(ScrubbedStream(SCRUBBER).feed),
    "front: progress": lambda text: PrintedProgress().feed(text.encode()),
    "front: printed lines": logged,
    "front: a log line": formatted,
    "front: a stack": lambda text: coordinates_in("Current thread (most recent call first):\n" + text),
    "a text cut for a record": lambda text: (cut(text), shown(text)),
    "the nearest name": lambda text: closest(text, [text + "b", text + "c", "b" + text]),
    "a terminal": printable,
    "an inventory: calls in a search": calls_in,
    "a finding in brief": lambda text: Review("name", problems=(text,)).brief,
}
PRINTED = (
    '  File "a", line 1 in a\n',
    "1%|",
    "Epoch 1/2 ",
    "a: 1.1",
    ": `",
    "`: ",
    "\b",
    "\x1b[1m",
    "aaaaaa",
    "1 1 1 1",
)


# Removing secrets costs some 60 µs for each of the 250 pieces of each of 300 texts.
HEAVY = ("batch: whole lines, from pieces", "secrets, from pieces")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.heavy] if name in HEAVY else []) for name in FUNCTIONS]
)
def test_no_function_over_foreign_text_costs_more_than_in_proportion(name: str) -> None:
    steep = [shape for shape in hostile(PRINTED) if not grows_linearly(FUNCTIONS[name], shape)]
    assert steep == []
