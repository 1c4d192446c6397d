"""Find the commands in a search that call a model: ``fit``, ``apply`` and ``summary``, macros expanded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from dltk_runtime.emulator.arguments import Option, Word, parse_arguments
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import Kind, lex
from dltk_runtime.emulator.mltk.grammar import CONTAINERS
from dltk_runtime.emulator.spl.macros import Macro, expand
from dltk_runtime.texts import unquote

CALLS = ("fit", "apply", "summary")
RUNS = ("savedsearch", "loadjob", "map")  # commands that run another search
READS, SAVED = ("from", "union"), "savedsearch"  # commands that may run one, and the kind before its name there
MARKS = ("/graphics/", "api_url_external")  # texts that lead to a container, wherever they are
UNNAMED = "default"  # the model of a fit without into
MAX_ARGUMENTS = 20  # of a macro that is followed
MAX_MAPS = 5  # searches in the argument of map, one inside the other
PLACEHOLDER = "$"  # a dashboard's or a macro's: the value is known only when the search runs


@dataclass(frozen=True, slots=True)
class ModelUse:
    """One call of a model, or one of `MARKS`.

    Attributes:
        command: of `CALLS`, or the mark.
        model: its name without ``app:``; empty for a mark.
        algorithm: the notebook, from ``algo=``; empty where the search does not say.
        in_splunk: the algorithm or the model surely runs in Splunk itself.
    """

    command: str
    model: str = ""
    algorithm: str = ""
    in_splunk: bool = False


@dataclass(slots=True)
class FoundInSearch:
    """What one search holds: its uses, the saved searches and macros it names, and what is wrong with it."""

    uses: set[ModelUse] = field(default_factory=set)
    searches: set[str] = field(default_factory=set)
    macros: set[str] = field(default_factory=set)
    unknown_macros: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def add(self, other: FoundInSearch) -> None:
        self.uses |= other.uses
        self.searches |= other.searches
        self.macros |= other.macros
        self.unknown_macros |= other.unknown_macros
        self.problems += other.problems


def find(text: str, macros: Mapping[str, Macro], *, fragment: bool = False) -> FoundInSearch:
    """Return what a search calls.

    Args:
        text: the search, as written.
        macros: those that it sees, by name as Splunk writes it: ``score(2)``.
        fragment: it begins with a command also without a leading pipe, as a macro may.
    """
    found = FoundInSearch(uses={ModelUse(mark) for mark in MARKS if mark in text})
    try:
        expanded = expand(text, macros, unknown="keep")
        if "`" in text:
            found.macros = set(_called(text, macros))
            found.unknown_macros = {_name(each) for each in _macro_calls(expanded)}
        found.uses |= {ModelUse(mark) for mark in MARKS if mark in expanded}
        if any(word in expanded.lower() for word in (*CALLS, *RUNS)):  # most searches have none
            _read(expanded, found, fragment=fragment)
    except SearchInvalid as failure:
        found.problems.append(failure.problem)
    return found


def commands(text: str, *, fragment: bool = False) -> Iterator[tuple[str, str]]:
    """Yield each command with its arguments, also of searches in brackets.

    Raises:
        SearchInvalid: brackets are nested too deeply.
    """
    stack: list[list[str]] = [[] if fragment else ["search "]]
    for token in lex(text):
        if token.kind is Kind.PIPE:
            yield from _command(stack[-1])
            stack[-1] = []
        elif token.text == "[":
            stack.append([])
        elif token.text == "]" and len(stack) > 1:
            yield from _command(stack.pop())
        elif token.kind is not Kind.COMMENT:
            stack[-1].append(token.text)
    for pieces in stack:
        yield from _command(pieces)


def _command(pieces: list[str]) -> Iterator[tuple[str, str]]:
    words = "".join(pieces).strip().split(maxsplit=1)
    if words:
        yield words[0].lower(), words[1] if len(words) > 1 else ""


def _read(text: str, found: FoundInSearch, *, fragment: bool, depth: int = 0) -> None:
    for name, arguments in commands(text, fragment=fragment):
        if name in CALLS:
            found.uses.add(_checked_use(name, arguments, found))
        elif name in (*RUNS, *READS):
            searches, inner = _named(name, arguments)
            found.searches |= searches
            if inner and depth < MAX_MAPS:
                _read(inner, found, fragment=False, depth=depth + 1)


def _checked_use(command: str, arguments: str, found: FoundInSearch) -> ModelUse:
    try:
        return _use(command, arguments)
    except SearchInvalid as failure:
        found.problems.append(failure.problem)
        return ModelUse(command)


def _use(command: str, arguments: str) -> ModelUse:
    """Read the arguments of a call. Raises `SearchInvalid`."""
    read = list(parse_arguments(arguments))
    options = {each.key: unquote(each.value) for each in read if isinstance(each, Option)}
    first = read[0].name if read and isinstance(read[0], Word) else ""
    if command == "fit":
        elsewhere = first not in CONTAINERS and PLACEHOLDER not in first
        into = [
            after.name
            for word, after in pairwise(read)
            if isinstance(word, Word) and isinstance(after, Word) and word.text.lower() == "into"
        ]
        return ModelUse(command, _plain(into[0]) if into else UNNAMED, options.get("algo", ""), elsewhere)
    elsewhere = first.startswith("onnx:") or "runtime" in options
    return ModelUse(command, _plain(first), options.get("algo", ""), elsewhere)


def _plain(model: str) -> str:
    return model.removeprefix("app:").removeprefix("user:")


def _named(command: str, arguments: str) -> tuple[set[str], str]:
    """Return the saved search that a command runs, and the text of a search in its arguments."""
    read = list(parse_arguments(arguments))
    options = {each.key: unquote(each.value) for each in read if isinstance(each, Option)}
    words = [each.name for each in read if isinstance(each, Word)]
    if command in READS:
        return set(_saved_datasets(words)), ""
    if command == "loadjob":
        return {options["savedsearch"].rpartition(":")[2]} if "savedsearch" in options else set(), ""
    if command == "map" and "search" in options:
        return set(), options["search"].replace('\\"', '"')
    return set(words[:1]), ""


def _saved_datasets(words: Sequence[str]) -> Iterator[str]:
    """Yield the saved searches among datasets: a colon or a blank stands between kind and name."""
    for word, following in pairwise([*words, ""]):
        kind, _, name = word.partition(":")
        if kind.lower() == SAVED and (found := unquote((name or following).strip(","))):
            yield found


def _macro_calls(text: str) -> Iterator[str]:
    return (token.text for token in lex(text) if token.kind is Kind.MACRO)


def _name(call: str) -> str:
    return call.strip("`").partition("(")[0].strip()


def _called(text: str, macros: Mapping[str, Macro]) -> Iterator[str]:
    """Yield the names of the macros that a text calls, and those that they call."""
    waiting, seen = [text], set[str]()
    while waiting:
        for call in _macro_calls(waiting.pop()):
            name = _name(call)
            if name not in seen:
                seen.add(name)
                yield name
                waiting += _definitions(name, macros)


def _definitions(name: str, macros: Mapping[str, Macro]) -> list[str]:
    """Return the definitions of a macro, whatever its number of arguments."""
    keys = (name, *(f"{name}({count})" for count in range(MAX_ARGUMENTS + 1)))
    return [macros[key].definition for key in keys if key in macros]
