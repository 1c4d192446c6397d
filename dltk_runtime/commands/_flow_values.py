"""The values that ``dltk flow new`` starts from: a file, options, answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

PROMPTS = ("algorithm", "base", "prepare", "features", "target", "interval", "lag", "train_hour")


def of_file(path: Path) -> dict[str, Any]:
    """Return the values of a ``flow.yaml``."""
    import msgspec

    from dltk_runtime.flows import flow

    return dict(msgspec.to_builtins(flow.read(path)))


def need(given: dict[str, Any]) -> None:
    """Refuse a new flow without kind and name."""
    if "kind" not in given or "name" not in given:
        raise click.UsageError("Missing arguments KIND and NAME, as in dltk flow new direct dns; or use --from.")


def answers(values: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Prompt for the values that no option gives; Enter accepts the value shown."""
    from dltk_runtime.flows.flow import Flow

    fields = dict(zip(Flow.__struct_fields__[-len(Flow.__struct_defaults__) :], Flow.__struct_defaults__, strict=True))
    found: dict[str, Any] = {}
    for name in PROMPTS:
        if name not in given:
            shown = values.get(name, fields.get(name))
            answer = click.prompt(name, default=" ".join(shown) if isinstance(shown, list | tuple) else shown)
            found[name] = answer.replace(",", " ").split() if name == "features" else answer
    return found
