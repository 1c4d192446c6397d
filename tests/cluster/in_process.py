"""A front and the nodes of a cluster in one process: real actors, pools and workers, and calls in place of Ray."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.apply.apply import Applied, Applying
from dltk_runtime.apply.drift import Drift
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.call import Call, Request
from dltk_runtime.cluster.apply_messages import Ask, Drop, Serve
from dltk_runtime.cluster.apply_places import ApplyPlaces
from dltk_runtime.cluster.copies import CopyCheck
from dltk_runtime.cluster.driver_applies import DriverApplies
from dltk_runtime.cluster.helper import Helper
from dltk_runtime.cluster.messages import Cancel, Nodes, Seen, Usage
from dltk_runtime.cluster.node import NodeActor
from dltk_runtime.cluster.ray_nodes import Reach, Unreached
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import ModelName
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.source import pack
from dltk_runtime.paths import Paths
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.pool.pool import Pool
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import Facts, ModelStore, Version

PATIENCE = 120.0


class Links:
    """In place of `RayNodes`: an actor's method is called here, or fails as a node that is lost."""

    def __init__(self) -> None:
        self.actors: dict[str, NodeActor] = {}
        self.labels: dict[str, tuple[str, ...]] = {}
        self.lost = set[str]()
        self.called: list[tuple[str, str]] = []
        self.references = 0
        self._told: list[asyncio.Task[None]] = []

    def named(self, name: str) -> Reach | None:
        return Reach(name, name, self.labels[name], self.actors[name]) if name in self.actors else None

    def put(self, data: bytes) -> bytes:
        self.references += 1
        return data

    async def call(self, node: Reach, method: str, *arguments: object, seconds: float) -> Any:
        self.called.append((node.name, method))
        call = asyncio.ensure_future(getattr(node.actor, method)(*arguments))
        while not call.done():
            if node.name in self.lost:
                raise Unreached("it did not answer for 7 s")
            await asyncio.wait([call], timeout=0.05)
        return call.result()

    def forget(self, node: Reach, key: str) -> None:
        self.called.append((node.name, "forget"))
        self._told.append(asyncio.ensure_future(node.actor.forget(key)))


class World:
    """One front with `places` apply workers, whose versions come from `commit`."""

    def __init__(self, paths: Paths, **settings: Any) -> None:
        self.settings = Settings(
            home=paths.home, notebooks=paths.notebooks, cluster="auto", spares=0, code="live", **settings
        )
        self.pool = Pool(self.settings)
        self.store = ModelStore.open(paths, 5)
        self.links = Links()
        self.helper = Helper("auto", lambda: None)
        self.driver = DriverApplies(self.links, self._take, "home1")  # type: ignore[arg-type]
        self.copies = CopyCheck(self.store, self.helper)
        self.helper.send = self._send  # type: ignore[method-assign]
        self.drift = Drift()
        self.applying = Applying(
            settings=self.settings,
            store=self.store,
            jobs=JobStore(paths, 10, 1000),
            pool=self.pool,
            last=LastUsed(self.store, self.pool),
            drift=self.drift,
            places=ApplyPlaces(self.settings, self.pool, self.helper),
        )
        self._calls: dict[str, asyncio.Task[None]] = {}
        self.asked: list[Ask] = []

    def node(self, monkeypatch: pytest.MonkeyPatch, home: Path, name: str, *labels: str, **variables: str) -> None:
        """Add a node; its settings are `variables`."""
        (home / "notebooks").mkdir(parents=True, exist_ok=True)
        own = {"DLTK_HOME": str(home), "DLTK_NOTEBOOKS": str(home / "notebooks"), "DLTK_SPARES": "0"}
        with monkeypatch.context() as environ:
            for key, value in (own | {"DLTK_GPUS": "none"} | variables).items():
                environ.setenv(key, value)
            self.links.actors[name], self.links.labels[name] = NodeActor(), labels

    async def end(self, name: str) -> None:
        """End what a node runs; `node` starts it again."""
        actor = self.links.actors.pop(name)
        if actor._watch is not None:
            actor._watch.cancel()
        await (await actor._started()).close()

    async def look(self) -> None:
        """Look at the nodes once, as the helper does each second."""
        import msgspec

        seen = []
        for name, actor in self.links.actors.items():
            if name in self.links.lost:
                seen.append(Seen(name, (), refused="it did not answer", silent=True))
                continue
            usage = msgspec.msgpack.decode(await actor.usage(), type=Usage)
            facts = (await actor._started()).apply_places[0]
            known = {"apply_places": facts, "applies": usage.applies, "versions": usage.versions}
            seen.append(Seen(name, self.links.labels[name], "", 1, 2**40, **known))
            await self.driver.look(self.links.named(name))  # type: ignore[arg-type]
        self.helper._say(Nodes(tuple(seen)))

    def commit(self, name: str, model: str = "m", rows: int = 1, **facts: Any) -> Version:
        """A version as a fit of the notebook leaves it, promoted."""
        source = algorithm.source_of(name, self.settings.paths)
        with self.store.reserve(ModelName(name, model)) as reserved:
            Path(reserved.location.folder, f"{name}_{model}.json").write_text(json.dumps({"rows": rows}))
            version = reserved.commit(Facts(**facts), pack([source]), b'{"model": "m", "model_summary": null}')
        self.store.promote(version)
        return version

    async def apply(self, name: str, model: str = "m", data: str = "a\n1\n", call: Call | None = None) -> str:
        return bytes((await self.applied(name, model, data, call)).results.view()).decode().strip('"')

    async def applied(self, name: str, model: str = "m", data: str = "a\n1\n", call: Call | None = None) -> Applied:
        meta = {"options": {"params": {"algo": name}, "model_name": model}}
        request = Request.of(Payload(data.encode(), escaped=False), meta)
        return await self.applying.apply(request, call or Call("1", "/apply"))

    def methods(self, *kinds: str) -> list[tuple[str, str]]:
        """The calls of these kinds, as pairs of node and method."""
        return [each for each in self.links.called if each[1] in kinds]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.pool.start()
        try:
            await self.look()
            yield
        finally:
            await self.pool.close()
            for name in list(self.links.actors):
                await self.end(name)

    async def _send(self, message: Serve | Ask | Cancel | Drop, rows: Payload = NO_ROWS) -> None:
        if isinstance(message, Drop):
            await self.driver.drop(message)
            return
        if isinstance(message, Cancel):
            if message.key in self._calls:
                self._calls[message.key].cancel()
            return
        if isinstance(message, Ask):
            self.asked.append(message)
        task = asyncio.create_task(self.driver.run(message, rows))
        self._calls[message.key] = task

    async def _take(self, message: Any, rows: Payload) -> None:
        self.helper._take(message, rows)


async def soon(condition: Callable[[], object]) -> None:
    """Wait for a condition that has no event."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        await asyncio.sleep(0.02)
