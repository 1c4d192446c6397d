"""Clients in processes of their own, over a real server behind a proxy that loses answers; some are killed.

The servers are moto's for ``s3://`` and Azurite for ``az://``: ``make objects``.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.store.objects.opened import opened
from dltk_runtime.store.store import ModelName
from tests.store.objects import azurite, moto
from tests.store.objects.checker import Call, Kind, problems
from tests.store.objects.proxy import proxied
from tests.support.service import ROOT

pytestmark = [pytest.mark.process, pytest.mark.timeout(20_000)]
RACES = int(os.environ.get("DLTK_SOAK_WIRE_RACES", "8"))
KILLS = int(os.environ.get("DLTK_SOAK_WIRE_KILLS", "3"))
OTHERS = 4  # of another protocol, one of so many: the runtime's part is the same
CLIENTS, STEPS = 3, 4


@dataclass(frozen=True)
class Kept:
    """A running server: its port, the address of the store in it, and how a client behind a port reaches it.

    `races` and `kills` are as many as are played over it.
    """

    port: int
    races: int
    kills: int
    address: str
    variables: Callable[[int], Mapping[str, str]]


def _s3(port: int) -> dict[str, str]:
    return moto.CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}


Started = tuple[Path, Callable[[], AbstractContextManager[int]], str, Callable[[int], Mapping[str, str]]]
SERVERS: dict[str, Started] = {
    "s3": (moto.SERVER, moto.moto, f"s3://{moto.BUCKET}/races", _s3),
    "az": (azurite.SERVER, azurite.azurite, f"az://{azurite.ACCOUNT}/{azurite.CONTAINER}/races", azurite.credentials),
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Kept]:
    program, start, address, variables = SERVERS[request.param]
    if not program.exists():
        pytest.skip(f"no server for {request.param}://: make objects")
    with start() as port:
        share = 1 if request.param == "s3" else OTHERS
        yield Kept(port, RACES // share, max(KILLS // share, 1), address, variables)


class Client:
    """One process; `race` returns what it has told, also when it was killed."""

    def __init__(self, home: Path, server: Kept, port: int) -> None:
        self._command = [sys.executable, "-m", "tests.store.objects.client", str(home), server.address]
        self._environ = os.environ | server.variables(port)
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def race(self, seed: int, kill_after: float | None) -> list[Call]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"model": f"m{seed}", "seed": str(random.random()), "steps": STEPS}) + "\n")
        self.process.stdin.flush()
        timer = threading.Timer(kill_after or 0, self.process.kill)
        if kill_after is not None:
            timer.start()
        calls: dict[int, Call | None] = {}
        for line in self.process.stdout:
            if line == "done\n":
                break
            if line.endswith("\n"):  # a kill can cut the last one
                told = json.loads(line)
                calls[told["mark"]] = (
                    Call(**told["call"] | {"kind": Kind(told["call"]["kind"])}) if told["call"] else None
                )
        timer.cancel()
        if kill_after is not None:
            timer.join()
            self.process.kill()
            self.close()
            self._start()
        return [each for each in calls.values() if each is not None]

    def close(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=120)


def test_no_race_over_the_wire_loses_a_promotion_or_shows_half_a_version(
    server: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.variables(server.port).items():
        monkeypatch.setenv(name, value)
    judge = opened(Paths(tmp_path / "judge", tmp_path / "judge", objects=server.address))
    killed = set(random.sample(range(server.races), server.kills))
    with proxied(server.port, seed=server.races) as proxy:
        clients = [Client(tmp_path / str(number), server, proxy.server_port) for number in range(CLIENTS)]
        for number in range(server.races):
            after = random.uniform(0, 0.5) if number in killed else None
            told: list[list[Call]] = [[] for _ in clients]

            def play(
                place: int, number: int = number, told: list[list[Call]] = told, after: float | None = after
            ) -> None:
                told[place] = clients[place].race(number, None if place else after)

            threads = [threading.Thread(target=play, args=(place,)) for place in range(CLIENTS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            proxy.settle()
            calls = [each for calls in told for each in calls]
            assert problems(calls, judge, ModelName("umap", f"m{number}")) == [], f"race {number}"
        assert [client.close() for client in clients] == [0, 0, 0]
