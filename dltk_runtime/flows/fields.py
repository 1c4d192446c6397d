"""Forms of values in a flow's description, and the names of fields that features must leave to the flow."""

from __future__ import annotations

import re

ADDRESS = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}")
RISK_OBJECTS = ("system", "user", "other")
LABEL = re.compile(r"[A-Za-z0-9_-]{1,40}")
_OWN = """kind flow feature_set event_key win_start win_end written_at rows scored good rows_in predictions"""
_MORE = """at here before told now_told person people pos neg verdict judged_at last_judged shift midnight near"""


def own_fields(*, more: bool) -> frozenset[str]:
    """Return the names; `more` adds those of flows with labels of people, or with several windows in a run."""
    return frozenset(_OWN.split()) | (frozenset(_MORE.split()) if more else frozenset())
