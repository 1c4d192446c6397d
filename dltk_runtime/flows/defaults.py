"""Values of a flow of each kind, for the sample data that ``dltk flow new --defaults`` writes."""

from __future__ import annotations

from typing import Any

from dltk_runtime.flows.flow import Kind, Source

_LENGTHS = (
    'eval entity=lower(query), f_len=len(entity), f_digits=f_len-len(replace(entity,"[0-9]","")), '
    'f_vowels=f_len-len(replace(entity,"[aeiou]","")), y=case(verdict="bad",1,verdict="good",0)'
)
_COMMON: dict[str, Any] = {
    "algorithm": "pytorch_nn",
    "parameters": "epochs=30",
    "base": "index=main sourcetype=dns",
    "features": ["f_len", "f_digits", "f_vowels"],
    "target": "y",
}

_HIGHEST = " | stats max(f_len) AS f_len max(f_digits) AS f_digits max(f_vowels) AS f_vowels max(y) AS y BY "
# The lag is two intervals of the acceleration: events that are not summarised yet are left out.
# A search returns rows of several windows.
_DATAMODEL = {
    "prepare": _LENGTHS + _HIGHEST + "_time entity",
    "base": "tstats summariesonly=t allow_old_summaries=f count AS hits FROM datamodel=Network_Resolution.DNS "
    "BY _time span=5m DNS.query | rename DNS.query AS query",
    "lag": 15,
}


def defaults(kind: Kind, source: Source = Source.EVENTS) -> dict[str, Any]:
    """Return the values of a flow of that kind and source, without its kind and name."""
    return _DEFAULTS[kind] | (_DATAMODEL if source is Source.DATAMODEL else {})


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
