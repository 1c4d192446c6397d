"""Stands in for Ray in a front's helper process: what `cluster.ray_nodes` calls, with the actors in this process.

The nodes are read from the JSON file that `RAY_STANDIN` names, at each look: so a test lets them come and go.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray import exceptions

__all__ = ["exceptions", "get_runtime_context", "init", "nodes", "put", "remote"]

_ACTORS: dict[str, Any] = {}


def init(**_: object) -> None:
    """Reach the cluster."""


def nodes() -> list[dict[str, Any]]:
    """Return the nodes, as Ray describes them."""
    return [
        {
            "NodeID": each["id"],
            "NodeName": each["name"],
            "Alive": each.get("alive", True),
            "Resources": {"dltk": 1},
            "Labels": each.get("labels", {}),
            "NodeManagerAddress": each.get("address", "127.0.0.1"),
        }
        for each in _given()
    ]


def put(data: bytes) -> bytes:
    """Return what refers to an object."""
    return data


def get_runtime_context() -> SimpleNamespace:
    """Return the context of this driver, whose node is none of those for fits."""
    return SimpleNamespace(get_node_id=lambda: "front")


def remote(kind: type[Any]) -> SimpleNamespace:
    """Return what makes actors of a class; those of a name are made once."""

    def options(**given: Any) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda: _actor(kind, given["name"].removeprefix("node-")))

    return SimpleNamespace(options=options)


def _given() -> list[dict[str, Any]]:
    return list(json.loads(Path(os.environ["RAY_STANDIN"]).read_text(encoding="utf-8")))


def _actor(kind: type[Any], node: str) -> _Actor:
    if node not in _ACTORS:
        variables = next(each["variables"] for each in _given() if each["id"] == node)
        before = dict(os.environ)
        os.environ.update(variables)  # which the actor reads once, as it begins
        try:
            _ACTORS[node] = kind()
        finally:
            os.environ.clear()
            os.environ.update(before)
    return _Actor(node, _ACTORS[node])


class _Actor:
    """A handle: each method has a `remote` that returns what can be awaited."""

    def __init__(self, node: str, actor: Any) -> None:
        self._node, self._actor = node, actor

    def __getattr__(self, method: str) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda *given: asyncio.ensure_future(self._called(method, given)))

    async def _called(self, method: str, given: tuple[object, ...]) -> Any:
        if self._node not in {each["id"] for each in _given() if each.get("alive", True)}:
            raise exceptions.ActorDiedError
        return await getattr(self._actor, method)(*given)
