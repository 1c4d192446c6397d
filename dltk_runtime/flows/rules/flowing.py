"""Chapter 8: the data flow: what is read is written, what is applied is fitted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from dltk_runtime.flows.app import App
from dltk_runtime.flows.dataflow import Dataflow, SearchFlow, dataflow
from dltk_runtime.flows.dataflow.notes import Write
from dltk_runtime.flows.dataflow.spelling import one_slip
from dltk_runtime.flows.rules.anomalies import untargeted
from dltk_runtime.flows.rules.rule import Found, Rule, texts
from dltk_runtime.names import STATUS

_MODEL_TEXT = re.compile(r'\bmodel\s*==?\s*"([\w.-]+)"')


def _unknown_fields(app: App, apps: Sequence[App]) -> Iterator[Found]:
    flow = dataflow(app, apps)
    nameless = untargeted(flow)  # whose columns rule 119 knows
    named = Counter(use.name for search in flow.searches for use in search.notes.uses)
    for search in flow.searches:
        free = any(apply.model in nameless for apply in search.notes.applies)
        for use in dict.fromkeys(search.notes.uses):
            if free and use.modelled and use.name.startswith("predicted_"):
                continue
            if use.near:
                yield Found(search.where, f"{use.command} names {use.name}; made is {use.near}")
            elif not use.known or (use.modelled and named[use.name] == 1):
                yield Found(search.where, f"{use.command} names {use.name}, which nothing in front of it makes")


def _unused_fields(app: App, apps: Sequence[App]) -> Iterator[Found]:
    flow = dataflow(app, apps)
    used = {use.name for search in flow.searches for use in search.notes.uses}
    shown = {name for search in flow.searches for shape in search.notes.outputs for name in shape.fields}
    for search in flow.searches:
        for name in sorted(search.notes.made - used - shown):
            near = next((each for each in sorted(used) if one_slip(name, each)), "")
            if near or _only_dropped(search, name):
                yield Found(search.where, f"makes {name}, which nothing uses{f'; used is {near}' if near else ''}")


def _only_dropped(search: SearchFlow, name: str) -> bool:
    """Whether rows that are written or trained on leave the field out."""
    stored = [shape for write in search.notes.writes for shape in write.shapes]
    return bool(stored) and all(name not in shape.fields for shape in stored) and len(name) == 1


def _unread_records(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Records that no read asks for, though reads ask for others that differ in one value."""
    flow = dataflow(app, apps)
    asked = _asked(flow)
    for search, write in flow.writes():
        for name in ("flow", "feature_set", "kind"):
            written = {text for shape in write.shapes for text in shape.values.get(name, ())}
            for text in sorted(written - asked.get(name, set())):
                near = next((each for each in sorted(asked.get(name, ())) if one_slip(text, each)), "")
                if near or (name != "kind" and asked.get(name)):
                    known = ", ".join(sorted(asked[name]))
                    yield Found(search.where, f'{write.command} writes {name}="{text}"; read are {known}')


def _asked(flow: Dataflow) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for search in flow.searches:
        for read in search.notes.reads:
            for each in read.alternatives:
                for name, wanted in each.items():
                    found.setdefault(name, set()).update(wanted)
    return found


def _impossible(app: App, apps: Sequence[App]) -> Iterator[Found]:
    for search in dataflow(app, apps).searches:
        never = dict.fromkeys(search.notes.never)
        yield from (Found(search.where, f"no row meets {condition[:80]}") for condition in never)
        for read in search.notes.reads:
            if read.lookup and not read.matched:
                values = ", ".join(f"{name}={'|'.join(sorted(each))}" for name, each in read.alternatives[0].items())
                yield Found(search.where, f"{read.target}: no search writes {values}")


def _turned(app: App, apps: Sequence[App]) -> Iterator[Found]:
    for search in dataflow(app, apps).searches:
        yield from (Found(search.where, said) for said in dict.fromkeys(search.notes.turned))


def _no_into(app: App, apps: Sequence[App]) -> Iterator[Found]:
    flow = dataflow(app, apps)
    applied = {apply.model for _, apply in flow.applies()}
    for search, fit in flow.fits():
        if not search.search.view and not fit.model and (search.search.scheduled or "promote" in fit.options):
            yield Found(search.where, f"fit {fit.algorithm} without into")
        elif fit.model and fit.model not in applied and applied - {STATUS}:
            names = ", ".join(sorted(applied))
            yield Found(search.where, f"fits {fit.model}, which nothing applies; applied are {names}")


def _model_texts(app: App, apps: Sequence[App]) -> Iterator[Found]:
    fitted = {fit.model for _, fit in dataflow(app, apps).fits()} - {"", STATUS}
    for text in texts(app):
        for name in sorted(set(_MODEL_TEXT.findall(text.spl))) if fitted else ():
            if name not in fitted:
                yield Found(text.where, f'model="{name}"; fitted are {", ".join(sorted(fitted))}')


def _filled_in_vain(app: App, apps: Sequence[App]) -> Iterator[Found]:
    for search, fit in dataflow(app, apps).fits():
        last = {use.name: at for at, use in enumerate(search.notes.uses)}
        uses = enumerate(search.notes.uses)
        filled = {use.name for at, use in uses if use.command == "fillnull" and last[use.name] == at}
        for name in sorted(filled - {*fit.features, fit.target}):
            yield Found(search.where, f"fills {name}, and learns from {', '.join(fit.features)} alone")


def _target_as_feature(app: App, apps: Sequence[App]) -> Iterator[Found]:
    for search, fit in dataflow(app, apps).fits():
        for name in fit.features:
            made = fit.shape.expression(name)
            target = fit.target and fit.model != STATUS and f"<{fit.target}>" in made and name != fit.target
            if (name == fit.target and fit.target) or target:
                yield Found(search.where, f"the feature {name} is made of the target {fit.target}")
            elif re.search(r"\bsha(?:1|256|512)\(", made) or name in ("event_key", "_key"):
                yield Found(search.where, f"the feature {name} is a key")


def _null_target(app: App, apps: Sequence[App]) -> Iterator[Found]:
    for search, fit in dataflow(app, apps).fits():
        known = fit.target in fit.shape.filled or not fit.target
        if not known and fit.model not in ("", STATUS) and "algo" in fit.options:
            yield Found(search.where, f"nothing in front of fit removes rows whose {fit.target} is null")


def _lost_columns(app: App, apps: Sequence[App]) -> Iterator[Found]:
    flow = dataflow(app, apps)
    for search, write in flow.writes():
        if write.command == "outputlookup":
            yield from _lost_in(flow, search, write)
    known = set(flow.stores.columns)
    for search in flow.searches:
        for read in search.notes.reads:
            if read.lookup and known and read.target not in known and _own(read.target, known):
                yield Found(search.where, f"{read.target} is neither in transforms.conf nor in lookups")
    yield from _untyped(app, flow)


def _lost_in(flow: Dataflow, search: SearchFlow, write: Write) -> Iterator[Found]:
    columns = flow.stores.columns.get(write.target)
    if columns is None:
        if "." not in write.target and flow.app.conf("transforms.conf"):
            yield Found(search.where, f"{write.target} is not in transforms.conf")
        return
    for name in sorted({name for shape in write.shapes for name in shape.fields} - columns):
        if not name.startswith("_"):
            yield Found(search.where, f"{write.target} has no column {name}")


def _untyped(app: App, flow: Dataflow) -> Iterator[Found]:
    collections = {stanza.name: stanza for stanza in app.conf("collections.conf")}
    for stanza in app.conf("transforms.conf"):
        if stanza.get("external_type") != "kvstore":
            continue
        types = collections.get(stanza.get("collection"))
        if types is None:
            missing = f"[{stanza.name}] collection = {stanza.get('collection')}"
            yield Found(f"default/transforms.conf:{stanza.line}", missing)
            continue
        for name in sorted(flow.stores.columns[stanza.name] - {"_key"}):
            if types.flag("enforceTypes") and not types.get(f"field.{name}"):
                yield Found(f"default/collections.conf:{types.line}", f"[{types.name}] field.{name} is missing")


def _own(name: str, known: set[str]) -> bool:
    """Whether a lookup's name looks like those of the app."""
    return any(name.split("_")[:2] == each.split("_")[:2] or one_slip(name, each) for each in known)


RULES = (
    Rule(
        801,
        "A field that nothing makes: it is null in every row, and nothing is said.",
        "Name it as the text in front does, or keep it there: fields and stats drop what they do not name.",
        _unknown_fields,
    ),
    Rule(802, "A field that is made and that nothing uses.", "Spell it as its readers do.", _unused_fields),
    Rule(
        803,
        "Records that no search reads, though others of their kind are read.",
        "Give them the values that readers ask for.",
        _unread_records,
    ),
    Rule(
        804,
        "A condition that no row can meet, by what the app's searches write.",
        "Compare it with what is written: kinds, states, columns of the lookup.",
        _impossible,
    ),
    Rule(
        805,
        "A fit whose model nobody can apply.",
        "End it with into app:NAME, and let apply name the model by the same macro.",
        _no_into,
    ),
    Rule(806, "The name of a model that no search fits.", "Let one macro hold the name.", _model_texts),
    Rule(
        817,
        "A condition the wrong way round: behind it a field is null, or a difference of one sign, in every row.",
        "Turn it: a gap begins after the record before it, and a queue shows what has no label yet.",
        _turned,
    ),
    Rule(
        811,
        "A field is filled for the training, and the training does not use it: a feature was forgotten.",
        "Name it among the features of fit, or leave it out of fillnull.",
        _filled_in_vain,
    ),
    Rule(
        808,
        "A feature that scoring cannot have, or that tells the answer.",
        "Leave target and keys out of the features.",
        _target_as_feature,
    ),
    Rule(809, "A target that may be null.", "Filter the rows: where isnotnull(y).", _null_target),
    Rule(
        810,
        "A lookup or a column that the app does not define: what is written there is lost, and a read fails.",
        "Name it in transforms.conf (fields_list) and collections.conf.",
        _lost_columns,
    ),
)
