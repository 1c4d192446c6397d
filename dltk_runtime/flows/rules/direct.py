"""Chapters 3 and 4: the command's two names, direct scoring and training."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dltk_runtime.fit.options import METRICS
from dltk_runtime.flows.app import App
from dltk_runtime.flows.dataflow import dataflow
from dltk_runtime.flows.dataflow.notes import Fit
from dltk_runtime.flows.rules.rule import Found, Rule, Text, saved, scheduled, texts
from dltk_runtime.flows.spl import makes_status, option
from dltk_runtime.names import STATUS


def _literal(app: App, _: Sequence[App]) -> Iterator[Found]:
    for search in app.searches:
        if match := re.search(r"\bfit\s+(MLTKContainer|AITKContainer)\b", search.text):
            yield Found(f"{search.file}:{search.line} {search.name}", f"fit {match[1]}")


def _unknown_macros(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for name in re.findall(r"(?<!`)`(?!`)([^`]+)`", re.sub(r"```.*?```", "", text.spl, flags=re.DOTALL)):
            yield Found(text.where, f"the macro {name} is not in macros.conf")


def _no_run_record(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        scores = text.has("apply") and "dltk_status" not in text.spl  # the container's own rows are no scores
        if scores and text.writes and not re.search(r"stats\s+count\b.*\bsum\(", text.spl, re.DOTALL):
            yield Found(text.where, "nothing counts rows in and rows scored")


def _no_health(app: App, _: Sequence[App]) -> Iterator[Found]:
    scoring = [text for text in scheduled(app) if text.has("apply") and text.writes]
    watching = [text for text in scheduled(app) if text.says(r"scored\s*<\s*rows")]
    if not scoring or any(text.search.stanza.get("counttype") for text in watching):
        return
    for text in watching:
        yield Found(text.where, "has scored<rows and is no alert: counttype = (missing)")
    if not watching:
        yield Found(scoring[0].where, "no alert has scored<rows")


def _no_holdout(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in saved(app):
        for arguments in text.of("fit"):
            if "promote=better" in arguments and not 0 < _number(option(arguments, "holdout")) < 1:
                yield Found(text.where, f"promote=better, holdout={option(arguments, 'holdout') or '(missing)'}")


def _number(value: str) -> float:
    return float(value) if re.fullmatch(r"\d*\.?\d+", value) else 0.0


def _unguarded(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Fits in the container by a schedule that take over whatever they are worth, or that have to be waited for."""
    for search, fit in dataflow(app, apps).fits():
        if not search.search.scheduled or "algo" not in fit.options or fit.options["algo"] == STATUS:
            continue
        if problem := _promoted(fit):
            yield Found(search.where, problem)
        if fit.options.get("mode") != "async":
            yield Found(search.where, "without mode=async the search waits, and ends at max_fit_time")


def _promoted(fit: Fit) -> str:
    """Return what is wrong with the promotion; without a target there is nothing to compare versions by."""
    promote = fit.options.get("promote", "").split(":")
    shown = f"promote={':'.join(promote) or '(missing)'}"
    if not fit.target:
        return "" if promote[0] in ("auto", "manual") else f"{shown} without a target: nothing is ever promoted"
    if promote[0] not in ("better", "manual"):
        return shown
    known = promote[0] == "manual" or (len(promote) > 1 and promote[1] in METRICS)
    return "" if known else f"{shown}; metrics are {', '.join(METRICS)}"


def _no_version(app: App, _: Sequence[App]) -> Iterator[Found]:
    fits = [text for text in saved(app) if text.has("fit") and not makes_status(text.spl)]
    reads = any("model_version" in text.spl for text in texts(app))
    for text in fits:
        asked = [arguments for arguments in text.of("fit") if "algo=" in arguments]  # others have no versions
        if reads and asked and not any("with_version=" in arguments for arguments in asked):
            yield Found(text.where, "model_version is read, with_version=t is not asked for")


def _unsnapped_training(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        earliest = text.search.stanza.get("dispatch.earliest_time")
        if text.has("fit") and not text.spl.lstrip().startswith("|") and "@" not in earliest:
            yield Found(text.where, f"dispatch.earliest_time = {earliest or 'missing'}")


def _raw_collected(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        if text.has("collect") and not _drops_raw(text):
            yield Found(text.where, "_raw is there when collect writes")


def _drops_raw(text: Text) -> bool:
    head = text.before("collect")
    begins_without = re.match(r"\s*\|\s*(inputlookup|makeresults|tstats|mstats|rest)\b", head)
    return bool(begins_without) or bool(re.search(r"\|\s*(stats|table)\b(?![^\[]*\])|fields\s+-\s+[^|]*_raw", head))


RULES = (
    Rule(
        301,
        "The command has two names, MLTKContainer and AITKContainer.",
        "Write a macro in its place, so that the customer chooses.",
        _literal,
    ),
    Rule(
        302,
        "A macro that the app does not define fails unless another app exports it.",
        "Define it in macros.conf.",
        _unknown_macros,
    ),
    Rule(
        401,
        "Nobody sees how many rows were left without a prediction.",
        "Write a run record: appendpipe [ stats count AS rows sum(good) AS scored … ].",
        _no_run_record,
    ),
    Rule(
        402,
        "Nothing tells anybody that a container is dead.",
        "Add an alert on run records: where scored<rows.",
        _no_health,
    ),
    Rule(
        403,
        "Without a hold-out the old and the new version are measured on different rows.",
        "Add holdout=0.2 beside promote=better.",
        _no_holdout,
    ),
    Rule(
        407,
        "A scheduled fit that takes over whatever it is worth, or that the search has to wait for.",
        "Write mode=async promote=better:METRIC:LEAST_GAIN holdout=0.2, or promote=manual; without a target, "
        "promote=auto will do.",
        _unguarded,
    ),
    Rule(404, "Predictions cannot be told apart by version.", "Add with_version=t to the fit.", _no_version),
    Rule(
        405,
        "A training window that is not fixed cannot be repeated.",
        "Snap both ends: dispatch.earliest_time = -30d@d, dispatch.latest_time = @d.",
        _unsnapped_training,
    ),
    Rule(
        406,
        "collect writes the original text in place of the fields where _raw is present, and fields keeps _raw.",
        "Drop it: fields - _raw, or table, or stats before collect.",
        _raw_collected,
    ),
)
