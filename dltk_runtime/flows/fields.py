"""What the searches of a flow call their own fields: features and targets need other names."""

from __future__ import annotations

_OWN = """kind flow feature_set event_key win_start win_end written_at rows scored good rows_in predictions"""
_MORE = """at here before told now_told person verdict judged_at last_judged"""


def own_fields(*, more: bool) -> frozenset[str]:
    """Return the names; `more` adds those of flows with labels beside a summary, or with several windows in a run."""
    return frozenset(_OWN.split()) | (frozenset(_MORE.split()) if more else frozenset())
