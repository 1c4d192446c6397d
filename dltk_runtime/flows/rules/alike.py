"""Chapter 8: training and scoring make features alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from dltk_runtime.flows.app import App
from dltk_runtime.flows.dataflow import Dataflow, SearchFlow, dataflow
from dltk_runtime.flows.dataflow.notes import Fit
from dltk_runtime.flows.dataflow.shapes import LEAF, Shape
from dltk_runtime.flows.rules.rule import Found, Rule
from dltk_runtime.names import STATUS

_AGGREGATED = re.compile(r"\b(?:max|min|avg|sum|latest|last|first|earliest|values)\(<>\)")
_FILLED_TWICE = re.compile(r"(fill\([^,()]*,)\1")


def _prepared_otherwise(app: App, apps: Sequence[App]) -> Iterator[Found]:
    flow = dataflow(app, apps)
    first: dict[str, tuple[SearchFlow, Fit]] = {}
    stored = _stored(flow)
    for search, fit in flow.fits():
        if fit.model and fit.model != STATUS:
            known = first.setdefault(fit.model, (search, fit))
            yield from _differing(search, fit.shape, *known, stored)
    for search, apply in flow.applies():
        if apply.model in first:
            yield from _differing(search, apply.shape, *first[apply.model], stored)


def _stored(flow: Dataflow) -> dict[str, str]:
    """Return how the fields of the app's stored rows came about, by the searches that write them."""
    shapes = [shape for _, write in flow.writes() if write.command == "collect" for shape in write.shapes]
    rows = [shape for shape in shapes if "row" in shape.values.get("kind", ()) and shape.source != "index"]
    return {name: shape.expression(name) for shape in rows for name in shape.fields}


def _differing(
    search: SearchFlow, shape: Shape, other: SearchFlow, fit: Fit, stored: Mapping[str, str]
) -> Iterator[Found]:
    if search is other:
        return
    if stored and (shape.source == "index") != (fit.shape.source == "index"):
        yield from _stored_otherwise(search, shape, other, fit, stored)
        return
    alike = shape.source == fit.shape.source
    named = [*fit.features, *(["entity"] if alike and "entity" in shape.fields & fit.shape.fields else [])]
    for name in dict.fromkeys(named):
        if "*" in name or not shape.has(name):
            continue
        one, two = _made(shape, name, alike=alike), _made(fit.shape, name, alike=alike)
        if one != two:
            yield Found(search.where, f"{name} is {one[:70]}, in {other.search.name} it is {two[:70]}")
    names = {*fit.features, "entity"}
    for condition in _filters(shape, names) ^ _filters(fit.shape, names) if alike else ():
        yield Found(search.where, f"where {condition[:70]} stands on one side only, the other is {other.search.name}")


def _stored_otherwise(
    search: SearchFlow, shape: Shape, other: SearchFlow, fit: Fit, stored: Mapping[str, str]
) -> Iterator[Found]:
    """Compare features of raw events with those of stored rows, by the search that stores them."""
    for name in fit.features:
        if "*" in name or not shape.has(name) or name not in stored:
            continue
        one, two = (_unfolded(each, name, stored) for each in (shape, fit.shape))
        if one != two:
            yield Found(search.where, f"{name} is {one[:70]}, in {other.search.name} it is {two[:70]}")


def _unfolded(shape: Shape, name: str, stored: Mapping[str, str]) -> str:
    """Return how a feature came about, from the raw events on; a second fill with the same value changes nothing."""
    text = _made(shape, name, alike=True)
    if shape.source == "index":
        text = text.replace(f"<{name}>", stored[name])
    while (twice := _FILLED_TWICE.match(text)) and text.endswith("))"):
        text = text[len(twice[1]) : -1]
    return text


def _made(shape: Shape, name: str, *, alike: bool) -> str:
    # A letter in front keeps identifiers from being read as numbers.
    text = re.sub(r'^"\w:"\.', "", shape.expression(name))
    return text if alike else _AGGREGATED.sub("<>", LEAF.sub("<>", text))


def _filters(shape: Shape, names: set[str]) -> set[str]:
    """Return the conditions on features, those for nulls aside."""
    made = {_made(shape, name, alike=True) for name in names} | {f"<{name}>" for name in names}
    return {each for each in shape.filters if any(text in each for text in made) and "null(" not in each}


RULES = (
    Rule(
        807,
        "Training and scoring make a feature in different ways: the model sees other numbers than it has learned from.",
        "Let both call the same macros, and fill nulls with the same value.",
        _prepared_otherwise,
    ),
)
