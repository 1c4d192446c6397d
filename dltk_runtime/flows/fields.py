"""Forms of values in a flow's description, and the names of fields that features must leave to the flow."""

from __future__ import annotations

import re

# Names of flows become part of names of indexes, which are lower-case, macros and models.
NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ALGORITHM = re.compile(r"[^\s\"'`$|\[\]\\]+")
PARAMETERS = re.compile(r"""(?:\w+=(?:"[^"\n]*"|[^\s"`|\[\]]+)(?:\s+|$))*""")
NUMBER_METRICS = frozenset(("r2", "mae", "rmse"))
ADDRESS = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}")
RISK_OBJECTS = ("system", "user", "other")
LABEL = re.compile(r"[A-Za-z0-9_-]{1,40}")
_OWN = (
    """kind flow feature_set event_key entity_key win_start win_end written_at rows scored good rows_in predictions"""
)
_MORE = """at here before told now_told person people pos neg verdict judged_at last_judged shift midnight near copy
weight origin label comment reviewer added_at changed_at"""


def own_fields(*, more: bool) -> frozenset[str]:
    """Return the names; `more` adds those of flows with labels of people, or with several windows in a run."""
    return frozenset(_OWN.split()) | (frozenset(_MORE.split()) if more else frozenset())


def one_line(text: str) -> str:
    """Join the lines of a search: a value of a ``.conf`` file ends with its line, and another stanza could follow."""
    return " ".join(part for line in text.splitlines() if (part := line.strip().removesuffix("\\").strip()))
