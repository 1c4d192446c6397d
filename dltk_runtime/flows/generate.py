"""Generate the files of a flow's two apps from templates.

Each app consists of layers, folders of ``templates/``. Files with the same path in several layers
are concatenated.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.flow import FILE, Flow, Kind, Source, write
from dltk_runtime.flows.render import TEMPLATES, render
from dltk_runtime.flows.sample import sample_csv, seed_csv


def layers(flow: Flow) -> tuple[str, ...]:
    """Return the layers of the app for search heads."""
    if flow.kind is Kind.SUMMARY:
        return "common", "summary", f"summary_{flow.source}"
    return "common", flow.kind.value


def files(flow: Flow) -> dict[str, str]:
    """Return every file of both apps: path below the flow's folder → text."""
    values = _values(flow)
    made: dict[str, str] = {}
    for app, names in ((flow.app, layers(flow)), (flow.index_app, ("indexer",))):
        for layer in names:
            for path in sorted(path for path in (TEMPLATES / layer).rglob("*") if path.is_file()):
                name = f"{app}/{path.relative_to(TEMPLATES / layer)}"
                made[name] = made.get(name, "") + render(str(path.relative_to(TEMPLATES)), values)
    made[f"{flow.index_app}/default/indexes.conf"] = _indexes(flow)
    made[f"{flow.app}/default/data/ui/nav/default.xml"] = render("parts/nav.xml", {"views": _views(made, flow.app)})
    made[f"{flow.app}/README.md"] = render("readme/README.md", values)
    if flow.kind is Kind.FEEDBACK:
        made[f"{flow.app}/lookups/dltk_{flow.name}_seed.csv"] = seed_csv(flow.positive, flow.negative)
    return {name: text.rstrip("\n") + "\n" for name, text in made.items()}


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
        sample.write_text(sample_csv(flow.positive, flow.negative), encoding="utf-8")
    return [folder / name for name in (*made, FILE)]


def _values(flow: Flow) -> dict[str, object]:
    plain: dict[str, object] = {name: str(getattr(flow, name)) for name in flow.__struct_fields__}
    crons = _crons(flow)
    return (
        plain
        | crons
        | {
            "kind": flow.kind.value,
            "app": flow.app,
            "index_app": flow.index_app,
            "index": f"dltk_{flow.name}",
            "model": flow.model,
            "features": " ".join(flow.features),
            "parameters": f"{flow.parameters} " if flow.parameters else "",
            "interval_seconds": str(flow.interval * 60),
            "lag_seconds": str((flow.lag + flow.interval) * 60),
            "rows_of_version": f' feature_set="v{flow.version}"' if flow.kind is Kind.SUMMARY else "",
            "rows_head": "" if flow.source is Source.EVENTS else "| ",
            "latest": " ".join(f"latest({name}) AS {name}" for name in (*flow.features, flow.target)),
            "mcollect": "enabled" if flow.source is Source.METRICS else "disabled",
            "readers": f"dltk_{flow.name}_runner, "
            + ("" if flow.kind is not Kind.FEEDBACK else f"dltk_{flow.name}_reviewer, ")
            + "admin, sc_admin",
            "rescores": flow.kind is Kind.SUMMARY and flow.source is Source.EVENTS,
            # A prefix keeps the identifier text in pandas, unless it is a feature of the model.
            "marked": "" if "entity" in flow.features else '| eval entity="e:".entity ',
            "unmarked": "" if "entity" in flow.features else ", entity=substr(entity,3)",
            "first": "_first" if flow.kind is Kind.FEEDBACK else "",
        }
    )


def _crons(flow: Flow) -> dict[str, str]:
    """Return schedules and windows in minutes; scoring follows two minutes after the features."""
    first = flow.offset
    late = (flow.offset + 2) % flow.interval
    return {
        "cron": f"{first}-59/{flow.interval} * * * *",
        "late_cron": f"{late}-59/{flow.interval} * * * *",
        "train_cron": f"{(flow.offset * 7 + 11) % 60} {flow.train_hour} * * *",
        "audit_cron": f"{(flow.offset * 7 + 11) % 60} {(flow.train_hour + 1) % 24} * * *",
        "window_start": str(flow.lag + flow.interval),
        "behind_start": str(flow.lag + 2 * flow.interval),
        "late_start": str(flow.interval + 2),
        "late_end": "2",
    }


def _indexes(flow: Flow) -> str:
    names = [f"dltk_{flow.name}"]
    names += [f"dltk_{flow.name}_metrics"] if flow.source is Source.METRICS else []
    return "\n".join(_index(name) for name in names)


def _index(name: str) -> str:
    kind = "datatype = metric\n" if name.endswith("_metrics") else ""
    paths = {"homePath": "db", "coldPath": "colddb", "thawedPath": "thaweddb"}
    lines = [f"{key} = $SPLUNK_DB/{name}/{folder}" for key, folder in paths.items()]
    return f"[{name}]\n{kind}" + "\n".join(lines) + "\nfrozenTimePeriodInSecs = 31536000\nrepFactor = auto\n"


def _views(made: Mapping[str, str], app: str) -> list[str]:
    """Return the names of the app's views in the order of the navigation."""
    prefix = f"{app}/default/data/ui/views/"
    order = ("review", "overview", "quality", "parameters", "status")
    return [name for name in order if f"{prefix}{name}.xml" in made]
