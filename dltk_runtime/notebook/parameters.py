"""The parameters that a notebook declares, and the values a search, a batch run or a person gives them.

A notebook declares them once, in its cell tagged ``parameters`` (papermill's convention), with annotated literals::

    epochs: int = 100  # passes over the training rows
    learning_rate: float = 0.01  # size of a training step
    shuffle: bool = True  # whether batches are drawn anew in each epoch
    structure: str = "32-16"  # neurons of each hidden layer
    optimizer: Literal["adam", "sgd"] = "adam"  # what trains
    max_depth: int | None = None  # no limit when a search sets none

The service reads that cell and never runs it. The search's texts, quotes and all (``"\\"32-16\\""``), become values of
these types, and `init`, `fit` and `apply` find all of them, defaults included, in ``param["parameters"]``, beside the
untouched ``param["options"]``. Nothing is repeated in the functions::

    def init(df, param):
        wanted = param["parameters"]
        return {"epochs": wanted["epochs"], …}

In the part of the notebook that a person or papermill runs, one call gives the same, from what the cell (and
papermill's, below it) has set::

    from dltk_runtime.parameters import parameters

    df, param = stage("samples/iris")
    param["parameters"] = parameters(globals())

At fit an unknown or ill-typed parameter is refused; at apply, where the fit's stored ones return after the notebook
was edited, it is a warning. Without the cell there is no ``param["parameters"]``.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dltk_runtime import booleans
from dltk_runtime.errors import OptionInvalid, nearest, shown
from dltk_runtime.notebook.errors import ParametersInvalid
from dltk_runtime.texts import unquote

Value = int | float | bool | str | None

# `key=value` of a search that the runtime reads itself.
RUNTIME = ("algo", "mode", "promote", "holdout", "with_version")
WANTED = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}
_INJECTED = re.compile(r"# (?:Injected )?[Pp]arameters\b")  # how papermill begins the cell it puts in
UNUSABLE = (ValueError, TypeError, OverflowError)  # what `Parameter.read` raises
_UNREAD = object()  # the default of a statement that is no literal


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter. `kind` is int, float, bool or str; `choices` are the only values, when there are any."""

    name: str
    kind: str
    default: Value
    help: str = ""
    choices: tuple[Value, ...] = ()
    line: int = 1

    def __str__(self) -> str:
        """As a notebook declares it: ``epochs: int = 100``."""
        kind = f"Literal[{', '.join(map(repr, self.choices))}]" if self.choices else self.kind
        optional = " | None" if self.default is None else ""
        return f"{self.name}: {kind}{optional} = {self.default!r}"

    @property
    def wanted(self) -> str:
        """What a value must be, in words."""
        return "one of " + ", ".join(map(str, self.choices)) if self.choices else WANTED[self.kind]

    def read(self, given: object) -> Value:
        """The value that a search's text, or a value of Python's own, stands for.

        Raises:
            ValueError, TypeError, OverflowError: it is none of this parameter's.
        """
        if given is None and self.default is None:
            return None
        value: Value = _READERS[self.kind](unquote(given.strip()) if isinstance(given, str) else given)
        if self.choices and value not in self.choices:
            raise ValueError(given)
        return value


def declared(text: str) -> tuple[Parameter, ...]:
    """The parameters that the text of a cell declares, in its order; statements that are no literals declare none.

    Raises:
        SyntaxError: the text does not compile.
    """
    helps = _comments(text)
    found = {}
    for statement in ast.parse(text).body:
        if (parameter := _parameter(statement, helps)) is not None:
            found[parameter.name] = parameter
    return tuple(found.values())


def undeclared(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a `parameters` cell that assign, but declare nothing, each with the reason."""
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and _parameter(statement, {}) is None:
            yield statement.lineno, "it declares no parameter: write NAME: int, float, bool, str or Literal = a literal"


def values(given: Mapping[str, object], known: Sequence[Parameter]) -> tuple[dict[str, Value], tuple[str, ...]]:
    """A value for each declared parameter, defaults where `given` has none or a bad one; and what is wrong with it."""
    result: dict[str, Value] = {parameter.name: parameter.default for parameter in known}
    problems = []
    for name, value in given.items():
        if name in result:
            parameter = next(each for each in known if each.name == name)
            try:
                result[name] = parameter.read(value)
            except UNUSABLE:
                problems.append(_ill_typed(parameter, value))
        elif name not in RUNTIME:
            problems.append(f"the notebook declares no parameter {shown(name)}.{nearest(name, result)}")
    return result, tuple(problems)


def hand(meta: dict[str, Any], known: Sequence[Parameter] | None) -> tuple[str, ...]:
    """Put ``param["parameters"]`` into a request's meta; returns what is wrong with the search's parameters.

    With None, for a notebook without declaration, nothing changes.
    """
    if known is None:
        return ()
    given = meta.get("options", {}).get("params")
    meta["parameters"], problems = values(given if isinstance(given, dict) else {}, known)
    return problems


def refuse(who: str, problems: Sequence[str], known: Sequence[Parameter] | None) -> None:
    """End a fit whose search has such problems.

    Raises:
        ParametersInvalid: naming them, and what the notebook declares.
    """
    if problems:
        raise ParametersInvalid(who, problems, [str(parameter) for parameter in known or ()])


def parameters(namespace: Mapping[str, Any]) -> dict[str, Value]:
    """``param["parameters"]`` in a notebook that is run by hand or by papermill: pass it ``globals()``.

    The declaration is that of the first cell run so far that does nothing but declare, as edited and run since; the
    values are those of the namespace, into which papermill may have put others.

    Raises:
        ParametersInvalid: a value is not of its parameter's type.
    """
    known = _declared_in(namespace.get("In", ()))
    given = {parameter.name: namespace[parameter.name] for parameter in known if parameter.name in namespace}
    result, problems = values(given, known)
    refuse("The parameters cell", problems, known)
    return result


def _ill_typed(parameter: Parameter, value: object) -> str:
    return f"{parameter.name}={shown(str(value))} cannot be used: it must be {parameter.wanted} ({parameter})"


# ---------------------------------------------------------------- values


def _int(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = _float(value)  # 1e3 and 10.0, which Splunk's arithmetic gives
    if not number.is_integer():
        raise ValueError(value)
    return int(number)


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _bool(value: object) -> bool:
    return booleans.parse(str(value))


def _str(value: object) -> str:
    if not isinstance(value, str | int | float):
        raise TypeError(value)
    return str(value)  # papermill makes numbers of what looks like one


_READERS: dict[str, Callable[[object], Value]] = {"int": _int, "float": _float, "bool": _bool, "str": _str}


# ---------------------------------------------------------------- declarations


def _parameter(statement: ast.stmt, helps: Mapping[int, str]) -> Parameter | None:
    """The parameter that a statement declares, None when it declares none."""
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
            kind, choices = _kind(annotation)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            kind, choices = "", ()
        case _:
            return None
    default = _literal(value)
    kind = kind or ("str" if default is None else type(default).__name__)
    if kind not in WANTED:
        return None
    parameter = Parameter(name, kind, None, helps.get(statement.end_lineno or 0, ""), choices, statement.lineno)
    try:
        return Parameter(name, kind, parameter.read(default), parameter.help, choices, statement.lineno)
    except UNUSABLE:  # the default is no value of the declared type
        return None


def _literal(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        return _UNREAD


def _kind(annotation: ast.expr) -> tuple[str, tuple[Value, ...]]:
    """The kind that an annotation names, and its choices; "" is left to the default."""
    match annotation:
        case ast.Name(id=name):
            return name, ()
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return _kind(left)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            members = choices.elts if isinstance(choices, ast.Tuple) else [choices]
            found = tuple(_literal(member) for member in members)
            return type(found[0]).__name__, found
    return "unknown", ()


def _comments(text: str) -> dict[int, str]:
    """The comment at the end of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    try:
        return {
            token.start[0]: token.string.lstrip("# ").rstrip() for token in tokens if token.type == tokenize.COMMENT
        }
    except (tokenize.TokenError, SyntaxError):  # broken: whoever parses it next says where
        return {}


def _declared_in(history: Sequence[str]) -> tuple[Parameter, ...]:
    """The declaration among the cells that IPython has run."""
    found: tuple[Parameter, ...] = ()
    for text in history:
        if _INJECTED.match(text) or not _only_declares(text):
            continue
        cell = declared(text)
        if not found or {each.name for each in found} & {each.name for each in cell}:
            found = cell
    return found


def _only_declares(text: str) -> bool:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):  # a magic
        return False
    harmless = (ast.Import, ast.ImportFrom)
    assigned = [each for each in body if not isinstance(each, harmless)]
    return bool(assigned) and all(_parameter(each, {}) is not None for each in assigned)


def wants_version(parameters: Mapping[str, str]) -> bool:
    """Whether `with_version` asks for the column ``model_version``, at fit or at apply.

    Raises:
        OptionInvalid: it is neither true nor false.
    """
    value = unquote(parameters.get("with_version", "false")).strip()
    try:
        return booleans.parse(value)
    except ValueError as error:
        raise OptionInvalid("with_version", value, "t or f") from error
