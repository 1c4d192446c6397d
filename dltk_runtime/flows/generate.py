"""Generate the files of a flow's two apps from templates.

Each app consists of layers, folders of ``templates/``. Files with the same path in several layers
are concatenated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from dltk_runtime.flows.additions import additions
from dltk_runtime.flows.defaults import verdicts
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.flow import FILE, GENERATING, SENSITIVITY, Flow, write
from dltk_runtime.flows.kinds import Kind, Predicts, Scoring, Source
from dltk_runtime.flows.natives import fitting, without_container
from dltk_runtime.flows.render import TEMPLATES, render
from dltk_runtime.flows.rights import indexes_read
from dltk_runtime.flows.sample import sample_csv, seed_csv, verdicts_csv
from dltk_runtime.flows.servers import servers_csv
from dltk_runtime.flows.spl import stages
from dltk_runtime.flows.studio.write import with_views
from dltk_runtime.flows.timetable import timetable
from dltk_runtime.notebook.algorithm import find
from dltk_runtime.notebook.errors import AlgorithmUnknown
from dltk_runtime.paths import Paths

_BLANK_LINES = re.compile(r"\n{3,}")  # of parts that are left out
# The layers of what is predicted.
_OUTCOMES: Mapping[Predicts, tuple[str, ...]] = {
    Predicts.YES_NO: (),
    Predicts.CLASS: ("truth", "known", "judged", "classes"),
    Predicts.NUMBER: ("truth", "known", "judged", "numbers"),
}


def layers(flow: Flow) -> tuple[str, ...]:
    """Return the layers of the app for search heads."""
    outcomes = _OUTCOMES[flow.predicts] if flow.target else ("anomalies",)
    if flow.challenged:
        outcomes = (*(outcomes or ("truth", "known")), "challenged")
    if flow.stored_as_events:  # rows of the summary hold the target
        outcomes = tuple(layer for layer in outcomes if layer != "truth")
    own = ("summary", f"summary_{flow.source}") if flow.kind is Kind.SUMMARY else (flow.kind.value,)
    judged = ("labelled", "people") if flow.labels else ("people",) if flow.judged else ()
    risk = ("risk",) if flow.risk_object else ()
    return "common", *own, *judged, *outcomes, *risk


def notes(flow: Flow, paths: Paths) -> list[str]:
    """Return what a person should know who writes the apps on this machine, one sentence each."""
    if not flow.algorithm:
        return []
    try:
        find(flow.algorithm, paths)
    except AlgorithmUnknown as unknown:
        return [f"{unknown} The first training fails where the container has none either."]
    return []


def files(flow: Flow) -> dict[str, str]:
    """Return every file of both apps: path below the flow's folder → text."""
    values = _values(flow)
    made: dict[str, str] = {}
    for app, names in ((flow.app, layers(flow)), (flow.index_app, ("indexer",))):
        for layer in names:
            for path in sorted(path for path in (TEMPLATES / layer).rglob("*") if path.is_file()):
                name = f"{app}/{path.relative_to(TEMPLATES / layer)}"
                text = render(str(path.relative_to(TEMPLATES)), values)
                made[name] = f"{made[name]}\n\n{text}" if name in made else text
    made = with_views(made if flow.algorithm else without_container(made))
    made[f"{flow.index_app}/default/indexes.conf"] = _indexes(flow)
    made[f"{flow.app}/default/data/ui/nav/default.xml"] = render("parts/nav.xml", {"views": _views(made, flow.app)})
    made[f"{flow.app}/README.md"] = render("readme/README.md", values)
    if flow.kind is Kind.FEEDBACK:
        made[f"{flow.app}/lookups/dltk_{flow.name}_seed.csv"] = seed_csv(flow.positive, flow.negative)
    if verdicts(flow.name) in flow.prepare:
        made[f"{flow.app}/lookups/{verdicts(flow.name)}"] = verdicts_csv(
            flow.positive, flow.negative, classes=flow.predicts is Predicts.CLASS, usual_alone=flow.labels
        )
    return {name: _BLANK_LINES.sub("\n\n", text).strip("\n") + "\n" for name, text in made.items()}


def create(flow: Flow, folder: Path, *, force: bool = False) -> list[Path]:
    """Write both apps and ``flow.yaml`` into `folder`, and ``sample.csv`` if it is missing.

    Returns:
        The files written, without ``sample.csv``.

    Raises:
        FlowInvalid: a file exists already, and `force` is not set.
    """
    made = files(flow)
    if not force and (there := [name for name in (*made, FILE) if (folder / name).exists()]):
        raise FlowInvalid(
            f"{folder / there[0]} exists already. Name another folder with --to, or overwrite files with --force"
        )
    for name, text in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    write(flow, folder / FILE)
    sample = folder / "sample.csv"
    if not sample.exists():
        sample.write_text(example(flow), encoding="utf-8")
    return [folder / name for name in (*made, FILE)]


def example(flow: Flow) -> str:
    """Return sample data for the flow's defaults: servers without a target or for numbers, else domains."""
    if not flow.target or flow.predicts is Predicts.NUMBER:
        return servers_csv(flow.positive, flow.negative)
    return sample_csv(flow.positive, flow.negative, classes=flow.predicts is Predicts.CLASS)


def _values(flow: Flow) -> dict[str, object]:
    predicting = _supervised(flow) if flow.target else _anomalies(flow)
    plain: dict[str, object] = {name: str(getattr(flow, name)) for name in flow.__struct_fields__}
    return (
        plain
        | timetable(flow)
        | {
            "kind": flow.kind.value,
            "app": flow.app,
            "index_app": flow.index_app,
            "index": f"dltk_{flow.name}",
            "model": flow.model,
            "features": " ".join(flow.features),
            "parameters": f"{flow.parameters} " if flow.parameters else "",
            "indexes": ";".join(dict.fromkeys([*_index_names(flow), *_read_by(flow.base)])),
            "scored_kind": "scored" if flow.stored_as_events else "run",
            "score_column": f"{flow.score} " if flow.score else "",
            "found": _finding(flow),
            "recipients": ", ".join(flow.recipients),
            "rows_of_version": f' feature_set="v{flow.version}"' if flow.kind is Kind.SUMMARY else "",
            "rows_head": "" if flow.source is Source.EVENTS else "| ",
            "latest": " ".join(f"latest({name}) AS {name}" for name in (*flow.features, flow.target) if name),
            "highest": " ".join(f"max({name}) AS {name}" for name in (*flow.features, flow.target) if name),
            "mcollect": "enabled" if flow.source is Source.METRICS else "disabled",
            "readers": ", ".join([*(f"dltk_{flow.name}_{role}" for role in _roles(flow)), "admin", "sc_admin"]),
            "rescores": flow.stored_as_events,
            # A prefix keeps the identifier text in pandas, unless it is a feature of the model.
            "marked": "" if "entity" in flow.features else '| eval entity="e:".entity ',
            "unmarked": "" if "entity" in flow.features else ", entity=substr(entity,3)",
            "filled": _filled([name for name in flow.features if name != "entity"]),
            "predicted": flow.predicted,
            "truth_kind": "row" if flow.stored_as_events else "truth",
            "reviewed": "reviewer" in _roles(flow),
        }
        | _of_people(flow)
        | additions(flow)
        | predicting
        | fitting(flow, str(predicting["trained"]))
    )


def _of_people(flow: Flow) -> dict[str, object]:
    """Return what follows from people who judge, and from the key that their labels go by."""
    return {
        "first": "_first" if flow.judged else "",
        "judged": flow.judged,
        "labels": flow.labels,
        "raw": flow.scoring is Scoring.RAW,
        # With labels the key of a row is the same in every version of the features, so that labels stay with it.
        "key_of_row": flow.name if flow.labels else f"{flow.name}|v{flow.version}",
        "queued": f" \\\n| `dltk_{flow.name}_queued`" if flow.labels else "",
        "seen": "row_time" if flow.labels else "hits",
        "stamped": ", row_time=floor(_time), predicted_at=now()" if flow.labels else "",
        # The probability beside the model's answer, or the answer itself, where the algorithm returns nothing else.
        "scaled": f"| eval {flow.score}=tonumber(coalesce({flow.score},{flow.predicted})) " if flow.judged else "",
    }


def _finding(flow: Flow) -> str:
    """Return the condition for a prediction that people want to hear of."""
    if flow.predicts is Predicts.CLASS:
        return f'{flow.predicted}="{flow.positive}"'
    least = flow.limit if flow.predicts is Predicts.NUMBER else 0.5
    return f"tonumber({flow.predicted})>={least:g}"


def _supervised(flow: Flow) -> dict[str, object]:
    """Return the parts of the searches that predict a target."""
    return {
        "learned": f"| where isnotnull({flow.target}) ",
        "trained": f"{flow.target} from {' '.join(flow.inputs)}",
        "promotion": f"promote=better:{flow.metric}:{flow.gain} holdout={flow.holdout}",
        "tuned": "",
        "answered": "",
        "tuned_column": "",
        "loud": "",
        "asked": "",
    }


def _anomalies(flow: Flow) -> dict[str, object]:
    """Return the same parts without a target: nothing to compare versions by, and a sensitivity by entity."""
    return {
        "learned": f"| `dltk_{flow.name}_tuned` ",
        "trained": f"from {' '.join(flow.features)} {SENSITIVITY}",
        "promotion": "promote=auto",
        "tuned": f"| `dltk_{flow.name}_tuned` ",
        "answered": f"| `dltk_{flow.name}_answered` ",
        "tuned_column": f"{SENSITIVITY} ",
        "loud": f"| `dltk_{flow.name}_loud` ",
        "asked": "" if f"{SENSITIVITY}=" in flow.parameters else f"{SENSITIVITY}={SENSITIVITY} ",
        "score_answered": f", {flow.score}=coalesce(predicted_{flow.score},{flow.score})" if flow.score else "",
    }


def _filled(features: list[str]) -> str:
    """Return the command that leaves no null in features computed from the identifier."""
    return f"| fillnull value=0 {' '.join(features)} " if features else ""


def _roles(flow: Flow) -> tuple[str, ...]:
    """Return the roles: people write where they label, or set the sensitivity."""
    return ("runner", "reviewer", "viewer") if flow.judged or not flow.target else ("runner", "viewer")


def _indexes(flow: Flow) -> str:
    return "\n".join(_index(name, metric=name != f"dltk_{flow.name}") for name in _index_names(flow))


def _index_names(flow: Flow) -> list[str]:
    """Return the index for events and, if features are metrics, that for metrics."""
    metrics = flow.kind is Kind.SUMMARY and flow.source is Source.METRICS
    return [f"dltk_{flow.name}", *([f"dltk_{flow.name}_metrics"] if metrics else [])]


def _index(name: str, *, metric: bool) -> str:
    kind = "datatype = metric\n" if metric else ""
    paths = {"homePath": "db", "coldPath": "colddb", "thawedPath": "thaweddb"}
    lines = [f"{key} = $SPLUNK_DB/{name}/{folder}" for key, folder in paths.items()]
    return f"[{name}]\n{kind}" + "\n".join(lines) + "\nfrozenTimePeriodInSecs = 31536000\nrepFactor = auto\n"


def _read_by(base: str) -> list[str]:
    """Return the indexes that a base search names, without wildcards; its first word may be one to search for."""
    generates = base.partition(" ")[0].lower() in GENERATING
    return sorted(name for name in indexes_read(stages(base if generates else f"search {base}")) if "*" not in name)


def _views(made: Mapping[str, str], app: str) -> list[str]:
    """Return the names of the app's views in the order of the navigation."""
    prefix = f"{app}/default/data/ui/views/"
    order = ("review", "overview", "sensitivity", "quality", "parameters", "additions", "audit", "status")
    return [name for name in order if f"{prefix}{name}.xml" in made]
