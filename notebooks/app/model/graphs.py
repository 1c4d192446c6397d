"""Networks from events that hold the two ends of a connection."""

from __future__ import annotations

import networkx as nx
from app.model.fields import arrived, refuse


def ends_of(df, param):
    """Return the two fields of the ends, the one first that the search names first.

    Raises:
        ValueError: the search does not name two, or one is missing or has missing values.
    """
    features = param["feature_variables"]
    if len(features) != 2:
        raise ValueError(
            f"The search must name the two ends of a connection; it names {', '.join(features) or 'none'}."
        )
    named = [name for name in param["options"].get("feature_variables", []) if name in features]
    ends = named if len(named) == 2 else features
    arrived(df, ends)
    refuse([name for name in ends if df[name].isna().any()], "missing values. Drop these rows in the search.")
    return ends


def nodes_of(column):
    """Return the nodes of a field as texts, with the same text for 1 and 1.0."""
    return [
        str(int(value)) if isinstance(value, float) and value.is_integer() else str(value) for value in column.tolist()
    ]


def graph_of(df, ends):
    """Return the graph; a node connected only with itself has no connections."""
    graph = nx.Graph()
    graph.add_edges_from(zip(*(nodes_of(df[name]) for name in ends), strict=True))
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    return graph
