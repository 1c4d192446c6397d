"""A function of eval: what it computes, and the table of arguments that it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.values import Fields, Value, number
from dltk_runtime.errors import nearest

# An argument that is evaluated on demand, since if() and case() evaluate one branch only.
Lazy = Callable[[], Value]

KINDS: Mapping[str, str] = {
    "b": "a condition",
    "v": "any value",
    "x": "any value or condition",
    "t": "text",
    "n": "a number",
    "m": "a field, with one or several values",
    "l": "a quoted text",
    "f": "the name of a field",
}


class Argument(Protocol):
    """What a function sees of an argument before any row is read."""

    @property
    def evaluate(self) -> Callable[[Fields], Value]: ...
    @property
    def boolean(self) -> bool: ...
    @property
    def kind(self) -> str: ...
    @property
    def literal(self) -> str | None: ...
    @property
    def fields(self) -> frozenset[str]: ...
    @property
    def name(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Function:
    """One function with `least` to `most` arguments; None is any number.

    `kinds` has one letter of `KINDS` per argument; the last holds for those that follow, or the
    letters repeat if a ``*`` ends them. `form` is its line in the documentation. A function is null
    if an argument is, unless it takes `nulls`, and refuses fields with several values unless it
    takes `several`. A `lazy` one receives functions; a `bound` one receives the compiled arguments.
    """

    call: Callable[..., Value]
    least: int
    most: int | None
    boolean: bool = False
    kinds: str = "x"
    form: str = ""
    lazy: bool = False
    nulls: bool = False
    several: bool = False
    bound: Callable[[Sequence[Any]], Callable[[Fields], Value]] | None = None
    check: Callable[[Sequence[Any]], None] | None = None


def find_function(functions: Mapping[str, Function], name: str, arguments: int) -> Function:
    """Return the function `name`.

    Raises:
        SearchInvalid: it is not in `functions`, or does not take this number of arguments.
    """
    function = functions.get(name)
    if function is None:
        known = sorted(functions)
        raise SearchInvalid(
            f"the function {name!r} is none of those that run here ({', '.join(known)}).{nearest(name, known)} "
            "Run this search in Splunk"
        )
    if arguments < function.least or (function.most is not None and arguments > function.most):
        raise SearchInvalid(f"the function {name!r} does not take {arguments} arguments{_like(function)}")
    return function


def check_arguments(name: str, function: Function, arguments: Sequence[Argument]) -> None:
    """Compare the arguments with the table of accepted ones.

    Raises:
        SearchInvalid: an argument is of another kind.
    """
    cycle = function.kinds.endswith("*")
    letters = function.kinds.rstrip("*")
    for place, argument in enumerate(arguments):
        letter = letters[place % len(letters) if cycle else min(place, len(letters) - 1)]
        if not _accepts(letter, argument):
            raise SearchInvalid(
                f"the arguments to the {name!r} function are invalid: number {place + 1} must be "
                f"{KINDS[letter]}{_like(function)}"
            )
    if cycle and len(arguments) % len(letters):
        raise SearchInvalid(f"the arguments to the {name!r} function are invalid: they come in pairs{_like(function)}")
    if function.check is not None:
        function.check(arguments)


def _accepts(letter: str, argument: Argument) -> bool:
    if letter == "x":
        return True
    if letter == "b":
        return argument.boolean
    if argument.boolean:
        return False
    if letter in "lf":
        return (argument.literal if letter == "l" else argument.name) is not None
    if letter == "v":
        return True
    wrong = {"t": "number", "n": "text", "m": ""}[letter]
    if letter == "n" and argument.literal is not None and number(argument.literal) is not None:
        return True
    return argument.kind not in {wrong, "null"} or not argument.kind


def _like(function: Function) -> str:
    return f", as in {function.form}" if function.form else ""
