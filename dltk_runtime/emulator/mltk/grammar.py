"""Parse the arguments of MLTK's commands, from ``fit`` to ``deletemodel`` (protocol 4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dltk_runtime.emulator.arguments import Argument, Option, Word, parse_arguments, parse_count, parse_flag
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.toolkit import ALGORITHMS
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

# Algorithms that run in a container; all others run in Splunk itself.
CONTAINERS = ("MLTKContainer", "AITKContainer")

ONNX = "onnx:"  # before the name of a model that is an ONNX file

_MODEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class FitCommand:
    """One ``fit``; `options` are those of protocol 1.1, in order of first appearance."""

    algorithm: str
    options: dict[str, Any]
    apply: bool = True
    partial: bool = False
    sample_count: int | None = None
    sample_seed: int | None = None

    @property
    def model(self) -> str | None:
        """The name after ``into``."""
        return self.options.get("model_name")


@dataclass(frozen=True, slots=True)
class ApplyCommand:
    """One ``apply``. Without `params` those of the fit are used. `onnx`: the model is an ONNX file."""

    model: str
    output_name: str | None = None
    params: dict[str, str] | None = None
    onnx: bool = False


def parse_fit(arguments: str) -> FitCommand:
    """Parse the arguments of ``fit``.

    Raises:
        SearchInvalid: with the text of MLTK if it has one.
    """
    tokens = parse_arguments(arguments)
    first = next(tokens, None)
    if not isinstance(first, Word):
        raise SearchInvalid('First argument must be an "algorithm"')
    if first.name not in CONTAINERS and first.name not in ALGORITHMS:
        raise SearchInvalid(
            f"{shown(first.name)} runs inside Splunk. Only {' and '.join(CONTAINERS)} call a container and run here, "
            f"and of the toolkit's algorithms {', '.join(ALGORITHMS)}."
        )
    options = _Options().read(tokens)
    params = options.get("params", {})
    fit = FitCommand(
        algorithm=first.name,
        options=options,
        apply=_flag(params, "apply", default=True),
        partial=_flag(params, "partial_fit", default=False),
        sample_count=_count(params, "sample_count"),
        sample_seed=_count(params, "sample_seed"),
    )
    _refuse_folds(params, fit.algorithm)
    if first.name in ALGORITHMS:
        _check_toolkit(fit)
    if fit.partial and not fit.model:
        raise SearchInvalid('"partial_fit" needs a model: add "into <name>"')
    return fit


def parse_apply(arguments: str) -> ApplyCommand:
    """Parse the arguments of ``apply``.

    Raises:
        SearchInvalid: no model, positional arguments after it, or a keyword of ``fit``.
    """
    model, rest = _model_and_rest(arguments, "apply", ONNX)
    output_name: str | None = None
    params: dict[str, str] = {}
    for token in rest:
        if isinstance(token, Option):
            params[token.key] = token.value
        elif token.text.lower() == "as":
            _only_once("as", taken=output_name is not None)
            output_name = _argument("as", rest)
        else:
            raise SearchInvalid(
                f'Syntax error: unexpected argument {token.text!r}. Only a model, "as <name>" and key=value are allowed'
            )
    onnx = model.startswith(ONNX)
    if onnx and params:
        raise SearchInvalid(f"an ONNX model takes no parameters: remove {', '.join(params)}")
    return ApplyCommand(model.removeprefix(ONNX), output_name, params or None, onnx)


def parse_model(arguments: str, command: str) -> str:
    """Parse the model name that ``summary`` and ``deletemodel`` take.

    Raises:
        SearchInvalid: no model, or more arguments.
    """
    model, rest = _model_and_rest(arguments, command)
    for token in rest:
        raise SearchInvalid(f"Syntax error: unexpected argument {token.text!r} after the model name")
    return model


def parse_nothing(arguments: str) -> None:
    """Refuse any argument of ``listmodels``.

    Raises:
        SearchInvalid: there is one.
    """
    for token in parse_arguments(arguments):
        raise SearchInvalid(f"Syntax error: unexpected argument {token.text!r}")


def model_name(text: str) -> str:
    """Return the name in ``[app:|user:]NAME``.

    Raises:
        SearchInvalid: it is not a valid name.
    """
    name = re.sub(r"^(app|user):", "", text)
    if not _MODEL_NAME.fullmatch(name):
        raise SearchInvalid(
            f"Invalid model name {shown(name)}: names start with a letter or underscore, followed by letters, "
            "digits and underscores"
        )
    return name


@dataclass(slots=True)
class _Options:
    """Collects `options` argument by argument, in order of first appearance."""

    options: dict[str, Any] = field(default_factory=dict)
    seen_from: bool = False

    def read(self, tokens: Iterator[Argument]) -> dict[str, Any]:
        keywords: dict[str, Callable[[Iterator[Argument]], None]] = {
            "into": self._into,
            "by": self._by,
            "as": self._as,
            "from": self._from,
            "~": self._from,
        }
        for token in tokens:
            if isinstance(token, Option):
                self.options.setdefault("params", {})[token.key] = token.value
            elif keyword := keywords.get(token.text.lower()):
                keyword(tokens)
            else:
                self.options.setdefault("args", []).append(token.name)
                self.options.setdefault("feature_variables", []).append(token.name)
        return self.options

    def _into(self, tokens: Iterator[Argument]) -> None:
        _only_once("into", taken="model_name" in self.options)
        self.options["model_name"] = model_name(_argument("into", tokens))

    def _by(self, tokens: Iterator[Argument]) -> None:
        _only_once("by", taken="split_by" in self.options)
        self.options["split_by"] = [_argument("by", tokens)]

    def _as(self, tokens: Iterator[Argument]) -> None:
        _only_once("as", taken="output_name" in self.options)
        self.options["output_name"] = _argument("as", tokens)

    def _from(self, _: Iterator[Argument]) -> None:
        """Turn the fields before ``from`` into the target."""
        _only_once("from", taken=self.seen_from)
        self.seen_from = True
        target = self.options.pop("feature_variables", [])
        if len(target) > 1:
            raise SearchInvalid(f'Syntax error: expected one target field before "from", got {", ".join(target)}')
        if target:
            self.options["target_variable"] = target
        self.options["feature_variables"] = []


def _only_once(keyword: str, *, taken: bool) -> None:
    if taken:
        raise SearchInvalid(f'Syntax error: you may specify "{keyword}" only once')


def _argument(keyword: str, tokens: Iterator[Argument]) -> str:
    token = next(tokens, None)
    if not isinstance(token, Word) or not token.name:
        raise SearchInvalid(f'Syntax error: "{keyword}" keyword requires argument')
    return token.name


def _model_and_rest(arguments: str, command: str, prefix: str = "") -> tuple[str, Iterator[Argument]]:
    """Return the name of the model, with the `prefix` that it may have, and the arguments after it."""
    tokens = parse_arguments(arguments)
    first = next(tokens, None)
    if not isinstance(first, Word):
        raise SearchInvalid(f'First argument must be a saved model: "{command} <model name>"')
    found = prefix if prefix and first.name.startswith(prefix) else ""
    return found + model_name(first.name.removeprefix(found)), tokens


def _flag(params: dict[str, str], key: str, *, default: bool) -> bool:
    """Remove a flag of MLTK, which the algorithm does not receive, from `params`."""
    if key not in params:
        return default
    try:
        return parse_flag(unquote(params.pop(key)))
    except SearchInvalid as error:
        raise SearchInvalid(f"Invalid value for {key}: {error.problem}") from error


def _count(params: dict[str, str], key: str) -> int | None:
    if key not in params:
        return None
    value = unquote(params.pop(key))
    count = parse_count(value)
    if count is None:
        raise SearchInvalid(f"Invalid value for {key}: {shown(value)} must be an integer")
    return count


def _check_toolkit(fit: FitCommand) -> None:
    """Refuse what the toolkit's algorithms do not take, or not here."""
    algorithm = ALGORITHMS[fit.algorithm]
    algorithm.read(fit.options.get("params", {}))
    if algorithm.supervised and "target_variable" not in fit.options:
        raise SearchInvalid(f"{fit.algorithm} needs a target: fit {fit.algorithm} <target> from <feature> …")
    if not algorithm.supervised and "target_variable" in fit.options:
        raise SearchInvalid(f"{fit.algorithm} takes no target: write the fields without from")
    if not fit.options.get("feature_variables"):
        raise SearchInvalid(f"{fit.algorithm} needs names of features")
    if fit.partial or "split_by" in fit.options:
        raise SearchInvalid(f"by and partial_fit= of {fit.algorithm} run in Splunk only")


def _refuse_folds(params: Iterable[str], algorithm: str) -> None:
    if "kfold_cv" in params:
        raise SearchInvalid(f"{algorithm} does not support kfold_cv: remove it, or split the events in the search")
