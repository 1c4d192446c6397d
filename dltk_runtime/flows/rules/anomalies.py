"""Chapter 1, without a target: what the two clients call a model's columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dltk_runtime.flows.app import App
from dltk_runtime.flows.dataflow import Dataflow, SearchFlow, dataflow
from dltk_runtime.flows.dataflow.computing import VERSION
from dltk_runtime.flows.dataflow.pipe import Command, assignments, everything_in, names_in, words_of
from dltk_runtime.flows.rules.rule import Found, Rule
from dltk_runtime.names import STATUS

_EITHER = re.compile(r"coalesce\(\s*'?([\w.]+)'?\s*,\s*'?([\w.]+)'?\s*\)")


def untargeted(flow: Dataflow) -> set[str]:
    """Return the models of the container that the app's searches fit without a target."""
    fits = [fit for _, fit in flow.fits() if fit.model not in ("", STATUS) and "algo" in fit.options]
    return {fit.model for fit in fits if not fit.target} - {fit.model for fit in fits if fit.target}


def _one_client_only(app: App, apps: Sequence[App]) -> Iterator[Found]:
    flow = dataflow(app, apps)
    models = untargeted(flow)
    for search in flow.searches:
        if any(apply.model in models for apply in search.notes.applies):
            yield from _misread(search)


def _misread(search: SearchFlow) -> Iterator[Found]:
    """Yield the columns behind an apply that one client alone calls so."""
    prefix, first, behind = _named_by(search)
    read = dict[str, tuple[str, str]]()
    for command in behind:
        for name, expression in assignments(command.arguments) if command.name == "eval" else ():
            if match := _EITHER.fullmatch(expression.strip()):
                read[name] = (match[1], match[2])
    for name, (one, two) in read.items():
        paired = one == f"{prefix}{two}" or (two == first and one == name)
        if not paired and (one.startswith(prefix) or two.startswith(prefix)):
            yield Found(search.where, f"coalesce({one},{two}) makes {name}")
    if first not in {two for _, two in read.values()}:
        yield Found(search.where, f"{first} is not read")
    used = {name for command in behind for name in _used(command)}
    bare = {name for name in used if name.startswith(prefix)} - {name for pair in read.values() for name in pair}
    if VERSION in used and VERSION not in read:
        bare.add(VERSION)
    yield from (Found(search.where, f"{name} is read alone") for name in sorted(bare - set(read)))


def _named_by(search: SearchFlow) -> tuple[str, str, list[Command]]:
    """Return DSDL's prefix, the toolkit's name of the first column, and the commands behind apply."""
    commands = list(everything_in(search.commands))
    at = next(number for number, command in enumerate(commands) if command.name == "apply")
    words = list(words_of(commands[at].arguments))
    keys = [word.lower() for word in words]
    if "as" in keys[:-1]:
        name = words[keys.index("as") + 1]
        return f"{name}_", name, commands[at + 1 :]
    return "predicted_", "predicted_None", commands[at + 1 :]


def _used(command: Command) -> Iterator[str]:
    if command.name == "eval":
        for _, expression in assignments(command.arguments):
            yield from names_in(expression)
    else:
        yield from names_in(command.arguments)


RULES = (
    Rule(
        119,
        "Without a target the clients name a model's columns differently: DSDL's puts predicted_ in front of all, the "
        "AI Toolkit's calls the first one predicted_None and leaves the others as they are.",
        "Read both: eval predicted_outlier=coalesce(predicted_outlier,predicted_None), score=coalesce("
        "predicted_score,score), model_version=coalesce(predicted_model_version,model_version).",
        _one_client_only,
    ),
)
