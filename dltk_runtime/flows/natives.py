"""Flows with an algorithm of the AI Toolkit itself: alone, or as champion beside the container's challenger.

The toolkit's models have no versions: a fit replaces the one before. So champion and challenger are
compared on rows that are later than what either has learned from: each training writes the end of its
rows to a collection, and each prediction has it as `fitted_to`. It is written before the first fit and never
goes back, since one half of a training may fail, and the container may keep a version of a later one.
"""

from __future__ import annotations

from collections.abc import Mapping

from dltk_runtime.flows.flow import Flow
from dltk_runtime.flows.kinds import Predicts

NO_VERSION = "native"  # in `model_version` of predictions by the toolkit
FIT_KEY = "training"  # of the one record in the collection of fits


def fitting(flow: Flow, trained: str) -> dict[str, object]:
    """Return the parts of searches that train (on `trained`: target and features), predict, and count predictions."""
    both = flow.challenged
    return {
        "container": bool(flow.algorithm),
        "challenged": both,
        "native_parameters": f" {flow.native_parameters.strip()}" if flow.native_parameters.strip() else "",
        "fitted": _fitted(flow, trained),
        "applied": f"| `dltk_{flow.name}_scored` " if flow.native else f"| apply app:`dltk_{flow.name}_model` ",
        "scored_natively": _scored(flow) if flow.native else "",
        "challenger": f"challenger_{flow.target} challenger_version fitted_to " if both else "",
        "counted": "sum(challenged) AS challenged " if both else "",
        "challenged_column": "challenged " if both else "",
        "unchallenged": " OR challenged<rows" if both else "",
        "right_of": _right_of(flow),
    }


def without_container(made: Mapping[str, str]) -> dict[str, str]:
    """Return the files of an app that calls no container: without the view of its status."""
    return {name: text for name, text in made.items() if "/views/status." not in name}


def _fitted(flow: Flow, trained: str) -> str:
    """Return the end of a training: what is fitted, and how many rows were sent."""
    model, algo, fit = (f"`dltk_{flow.name}_{each}`" for each in ("model", "algo", "fit"))
    lines = [_noted(flow)] if flow.challenged else []
    if flow.native:
        own = f"`dltk_{flow.name}_native_model`" if flow.challenged else model
        lines.append(f"| fit `dltk_{flow.name}_native` {trained} into app:{own}")
    if flow.algorithm:
        lines.append(f"| fit {algo} {fit} {trained} into app:{model}")
    lines.append("| stats count AS rows_sent")
    return " \\\n".join(lines)


def _noted(flow: Flow) -> str:
    """Return the commands that write the end of a training's rows, and hand on the rows alone."""
    return (
        f'| appendpipe [ stats count AS rows_sent | addinfo | eval _key="{FIT_KEY}", read_to=floor(info_max_time), '
        f"sent_at=now() | lookup local=true dltk_{flow.name}_fits _key OUTPUT read_to AS before "
        "| eval read_to=if(before>read_to,before,read_to) | fields _key rows_sent read_to sent_at "
        f"| outputlookup append=t key_field=_key dltk_{flow.name}_fits | where 1=0 ]"
    )


def _scored(flow: Flow) -> str:
    """Return the commands that predict: `predicted_…` is the toolkit's answer."""
    model, answer = f"`dltk_{flow.name}_model`", flow.predicted
    if not flow.challenged:
        return f'apply app:{model} AS {answer} | eval model_version="{NO_VERSION}"'
    other = f"challenger_{flow.target}"
    return (
        f"apply app:`dltk_{flow.name}_native_model` AS native_{flow.target} | apply app:{model} \\\n"
        f"| eval {other}={answer}, challenger_version=model_version, {answer}=native_{flow.target}, "
        f'model_version="{NO_VERSION}", challenged=if(isnotnull({other}),1,0), fit_key="{FIT_KEY}" \\\n'
        f"| lookup local=true dltk_{flow.name}_fits _key AS fit_key OUTPUT read_to AS fitted_to"
    )


def _right_of(flow: Flow) -> str:
    """Return SPL that says of both whether a row is right, or by how much it is wrong."""
    pairs = (("champion", flow.predicted), ("challenger", f"challenger_{flow.target}"))
    if flow.predicts is Predicts.NUMBER:
        return ", ".join(f"{name}=abs(tonumber({field})-tonumber(truth))" for name, field in pairs)
    if flow.predicts is Predicts.CLASS:
        return ", ".join(f"{name}=if({field}=truth,1,0)" for name, field in pairs)
    called = (
        "if((tonumber({field})>=0.5 AND tonumber(truth)>=0.5) OR (tonumber({field})<0.5 AND tonumber(truth)<0.5),1,0)"
    )
    return ", ".join(f"{name}={called.format(field=field)}" for name, field in pairs)
