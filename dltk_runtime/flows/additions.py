"""What people add to a flow that they judge: points for its training, and extra features of entities."""

from __future__ import annotations

from dltk_runtime.flows.flow import Flow

MAX_WEIGHT = 5  # of a point: how often training counts it


def additions(flow: Flow) -> dict[str, object]:
    """Return the values of templates.

    A point of a feedback flow is an entity, of which the features are made; of a summary flow it is a
    row of features.
    """
    extra = f"| `dltk_{flow.name}_extra`" if flow.extras else ""
    return {
        "extras": flow.extras,
        "extra": f"{extra} " if extra else "",
        "extra_piped": f" {extra}" if extra else "",
        "inputs": " ".join(flow.inputs),
        "point_fields": flow.features if flow.labels else (),
        "copies": range(2, MAX_WEIGHT + 1),
    }
