"""The values of a notebook's parameters, from a search, a batch run or a notebook cell.

A notebook declares its parameters once (see `declaration`). The search's texts, with their quotes
(``"\\"32-16\\""``), are converted to the declared types. `init`, `fit` and `apply` receive all of
them, defaults included, in ``param["parameters"]``, next to the unchanged ``param["options"]``::

    def init(df, param):
        wanted = param["parameters"]
        return {"epochs": wanted["epochs"], …}

In cells run by hand or by papermill, one call returns the same, from the values set by the
parameters cell and by the cell that papermill inserts below it::

    from dltk_runtime.parameters import parameters

    df, param = stage("samples/iris")
    param["parameters"] = parameters(globals())

A fit is refused if a parameter is of the wrong type; one that the notebook does not declare is a
warning, as DSDL ignores it, or a refusal where `DLTK_REFUSE_UNKNOWN` is set. At apply, where the
fit's stored parameters may no longer match an edited notebook, both are warnings. A notebook
without a parameters cell gets no ``param["parameters"]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dltk_runtime import booleans
from dltk_runtime.errors import OptionInvalid, nearest, shown
from dltk_runtime.notebook.declaration import VALUE_ERRORS, Parameter, Value, declared, only_declares
from dltk_runtime.notebook.errors import ParametersInvalid
from dltk_runtime.texts import unquote

# The `key=value` parameters of a search that the runtime reads itself, unless the notebook declares or reads them
# (`reads.taken`), and the values of `mode` that are the runtime's in any case.
RUNTIME_PARAMETERS = ("algo", "mode", "promote", "holdout", "with_version")
RUNTIME_MODES = ("stage", "register")
# The first line of the cell that papermill inserts.
_INJECTED = re.compile(r"# (?:Injected )?[Pp]arameters\b")


class Problems(NamedTuple):
    """What is wrong with given parameters: values of the wrong type, and names that are not declared."""

    invalid: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.unknown, *self.invalid)


def values(given: Mapping[str, object], known: Sequence[Parameter]) -> tuple[dict[str, Value], Problems]:
    """Return a value for each declared parameter, and the problems of the given ones.

    Missing and invalid values are replaced by the defaults.
    """
    result: dict[str, Value] = {parameter.name: parameter.default for parameter in known}
    invalid, unknown = [], []
    for name, value in given.items():
        if name == "mode" and unquote(str(value)).strip() in RUNTIME_MODES:
            continue  # of the fit that an apply repeats
        if name in result:
            parameter = next(each for each in known if each.name == name)
            try:
                result[name] = parameter.read(value)
            except VALUE_ERRORS:
                invalid.append(f"Invalid {name}={shown(str(value))}: expected {parameter.wanted} ({parameter})")
        elif name not in RUNTIME_PARAMETERS:
            near = nearest(name, result)
            unknown.append(f"the notebook declares no parameter {shown(name)}{near and f'.{near}'}")
    return result, Problems(tuple(invalid), tuple(unknown))


def add_parameters(meta: dict[str, Any], known: Sequence[Parameter] | None) -> Problems:
    """Set ``meta["parameters"]`` from the search's parameters; return the problems found.

    With `known` None, for a notebook without declaration, `meta` is not changed.
    """
    if known is None:
        return Problems()
    given = meta.get("options", {}).get("params")
    meta["parameters"], problems = values(given if isinstance(given, dict) else {}, known)
    return problems


def refuse(notebook: str, problems: Sequence[str], known: Sequence[Parameter] | None) -> None:
    """Raise if there are `problems`.

    Raises:
        ParametersInvalid: with the problems and the declaration.
    """
    if problems:
        raise ParametersInvalid(notebook, problems, [str(parameter) for parameter in known or ()])


def parameters(namespace: Mapping[str, Any]) -> dict[str, Value]:
    """Return ``param["parameters"]`` in a notebook run by hand or by papermill.

    The declaration is the first cell run so far that only declares parameters, in its latest
    version. The values are those of `namespace`, where papermill may have set others.

    Args:
        namespace: The notebook's ``globals()``.

    Returns:
        A value for each declared parameter, by name.

    Raises:
        ParametersInvalid: a value is not of its parameter's type.
    """
    known = _declared_in(namespace.get("In", ()))
    given = {parameter.name: namespace[parameter.name] for parameter in known if parameter.name in namespace}
    result, problems = values(given, known)
    refuse("The parameters cell", problems.all, known)
    return result


def _declared_in(history: Sequence[str]) -> tuple[Parameter, ...]:
    """Find the declaration among the cells that IPython has run."""
    found: tuple[Parameter, ...] = ()
    for text in history:
        if _INJECTED.match(text) or not only_declares(text):
            continue
        cell = declared(text)
        if not found or {each.name for each in found} & {each.name for each in cell}:
            found = cell
    return found


def wants_version(parameters: Mapping[str, str]) -> bool:
    """Tell whether `with_version` asks for the column ``model_version``, at fit or at apply.

    Raises:
        OptionInvalid: `with_version` is not a boolean.
    """
    value = unquote(parameters.get("with_version", "false")).strip()
    try:
        return booleans.parse(value)
    except ValueError as error:
        raise OptionInvalid("with_version", value, "t or f") from error
