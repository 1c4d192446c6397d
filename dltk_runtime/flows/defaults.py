"""Values of a flow of each kind, for the sample data that ``dltk flow new --defaults`` writes."""

from __future__ import annotations

from typing import Any

from dltk_runtime.flows import windows
from dltk_runtime.flows.kinds import Kind, Predicts, Source

_BAD = 'y=case(verdict="bad",1,verdict="good",0)'
_LENGTHS = (
    'eval entity=lower(query), f_len=len(entity), f_digits=f_len-len(replace(entity,"[0-9]","")), '
    f'f_vowels=f_len-len(replace(entity,"[aeiou]","")), {_BAD}'
)
_COMMON: dict[str, Any] = {
    "algorithm": "pytorch_nn",
    "parameters": "epochs=30",
    "base": "index=main sourcetype=dns",
    "features": ["f_len", "f_digits", "f_vowels"],
    "target": "y",
}

_WORST = "max(cpu) AS cpu max(memory) AS memory max(latency) AS latency"
_ANOMALIES: dict[str, Any] = {
    "algorithm": "anomaly_detection_ecod",
    "base": "index=main sourcetype=server_metrics",
    "features": ["cpu", "memory", "latency"],
    "target": "",
    "outcome": "outlier",
    "score": "score",
    "sensitivity": 0.02,
}
_NUMBER: dict[str, Any] = {
    "algorithm": "xgboost_regressor",
    "base": "index=main sourcetype=server_metrics",
    "features": ["cpu", "memory"],
    "target": "latency",
    "predicts": "number",
    "limit": 75,
    "metric": "mae",
    "gain": 0.0,
}
_CLASS: dict[str, Any] = {"predicts": "class", "positive": "generated", "negative": "chosen"}
_LABELS: dict[str, Any] = {"algorithm": "binary_nn_classifier", "score": "probability", "metric": "f1"}
# Of a feedback flow with further features: `dga_classifier`, its usual algorithm, reads one text and nothing else.
_NUMBERS: dict[str, Any] = _LABELS | {
    "parameters": _COMMON["parameters"],
    "derive": _LENGTHS.replace("lower(query)", "lower(entity)").replace(f", {_BAD}", ""),
    "features": _COMMON["features"],
}
_HIGHEST = " | stats max(f_len) AS f_len max(f_digits) AS f_digits max(f_vowels) AS f_vowels max(y) AS y BY "


def defaults(
    kind: Kind,
    source: Source,
    name: str,
    interval: int = 5,
    *,
    anomalies: bool = False,
    predicts: Predicts = Predicts.YES_NO,
    labels: bool = False,
    extras: bool = False,
) -> dict[str, Any]:
    """Return the values of the flow `name` of that kind and source, without its kind and name.

    With `anomalies` the flow has no target; with `labels` people judge its rows; with `extras` people keep
    further features, numbers, by entity.
    """
    if anomalies:
        return _ANOMALIES | _servers(kind, source, interval)
    if predicts is Predicts.NUMBER:
        return _NUMBER | _servers(kind, source, interval)
    found = _DEFAULTS[kind] | (_datamodel(name, interval) if source is Source.DATAMODEL else {})
    if kind is Kind.SUMMARY and not windows.fits_a_start(interval):
        found = found | {"prepare": _LENGTHS + _HIGHEST + "_time entity"}
    if labels:
        return (
            found
            | _LABELS
            | {"prepare": f"lookup local=true {verdicts(name)} query OUTPUT verdict | {found['prepare']}"}
        )
    if extras and kind is Kind.FEEDBACK:
        return found | _NUMBERS
    if predicts is Predicts.CLASS:
        return found | _CLASS | {"prepare": found["prepare"].replace(_BAD, "y=verdict")}
    return found


def _servers(kind: Kind, source: Source, interval: int) -> dict[str, Any]:
    """Return searches for metrics of servers: each measurement, or a summary of each window."""
    if kind is not Kind.SUMMARY:
        return {"prepare": "eval entity=lower(host)"}
    if source is not Source.DATAMODEL:
        time = "" if windows.fits_a_start(interval) else "_time "
        return {"prepare": f"eval entity=lower(host) | stats {_WORST} BY {time}entity"}
    worst = _WORST.replace("(", "(Metrics.")
    return {
        "prepare": "eval entity=lower(host) | fields _time entity cpu memory latency | fields - _raw",
        "base": f"tstats summariesonly=t allow_old_summaries=f {worst} FROM datamodel=Server_Metrics.Metrics "
        f"BY _time span={interval}m Metrics.host | rename Metrics.host AS host",
        "lag": 15,
    }


def _datamodel(name: str, interval: int) -> dict[str, Any]:
    """Return what differs for a data model, whose rows have what ``tstats`` returns and nothing else.

    So labels come from a lookup. The lag is two intervals of the acceleration: events that are not
    summarised yet are left out. A search returns rows of several windows.
    """
    return {
        "prepare": f"lookup local=true {verdicts(name)} query OUTPUT verdict | {_LENGTHS}{_HIGHEST}_time entity",
        "base": "tstats summariesonly=t allow_old_summaries=f count AS hits FROM datamodel=Network_Resolution.DNS "
        f"BY _time span={interval}m DNS.query | rename DNS.query AS query",
        "lag": 15,
    }


def verdicts(name: str) -> str:
    """Return the name of the lookup file with known labels: columns `query` and `verdict`."""
    return f"dltk_{name}_verdicts.csv"


_DEFAULTS: dict[Kind, dict[str, Any]] = {
    Kind.DIRECT: _COMMON | {"prepare": _LENGTHS},
    Kind.SUMMARY: _COMMON | {"prepare": _LENGTHS + _HIGHEST + "entity"},
    Kind.FEEDBACK: _COMMON
    | {
        "algorithm": "dga_classifier",
        "parameters": "",
        "prepare": 'eval entity=lower(query) | where match(entity,"^([a-z0-9_-]+\\.)+(xn--[a-z0-9-]+|[a-z]{2,63})$")',
        "features": ["entity"],
        "target": "is_dga",
        "score": "dga_score",
        "metric": "f1",
        "positive": "dga",
        "negative": "legit",
    },
}
