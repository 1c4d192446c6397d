"""Workers of one machine's pool that fit together, by Gloo: what runs on every node, without Ray between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from dltk_runtime.cluster.errors import RankLost
from dltk_runtime.cluster.machines import HERE
from dltk_runtime.cluster.places import FitAsked, FitPlaces
from dltk_runtime.paths import Paths
from dltk_runtime.payload import Payload
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.worker import Answer, Listener
from dltk_runtime.settings import Settings
from dltk_runtime.worker.messages import Failed, Fit, Fitted
from tests.cluster.gang_notebook import LIBRARY, write_together

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

ROWS = Payload(b"x,z,y\n" + b"".join(b"%d,%d,%d\n" % (n % 7, n % 3, n % 2) for n in range(40)), escaped=False)
CLOSE = 1e-5  # of a mean loss


class Machine:
    """A front with two places and two stand-in GPUs, whose helper process never starts."""

    def __init__(self, paths: Paths) -> None:
        shutil.copytree(LIBRARY, paths.notebooks / "app" / "model", dirs_exist_ok=True)
        self.shared = paths.home / "shared"
        self.shared.mkdir(parents=True)
        write_together(paths.notebooks, "both", "", self.shared)
        self._paths = paths
        settings = Settings(
            home=paths.home, notebooks=paths.notebooks, cluster="auto", fit_workers=2, spares=0, gpus="0,1"
        )
        self.pool = Pool(settings)
        self.places = FitPlaces(settings=settings, pool=self.pool)
        self.printed = b""

    def _print(self, data: bytes) -> None:
        self.printed += data

    async def fit(self, workers: int, hold: str = "", resources: str = "") -> Answer:
        """Fit version 1, 2 …; the state is kept beside the models."""
        folder = self._paths.models / "versions" / "both" / "m" / f"{workers}{hold}{time.monotonic_ns()}"
        folder.mkdir(parents=True)
        params = {"algo": "both", "workers": str(workers), "hold": hold, "resources": resources}
        meta = {"options": {"params": params}, "feature_variables": ["x", "z"], "target_variables": ["y"]}
        name = f"{folder.relative_to(self._paths.models)}/both_m"
        fit = Fit("both", name, str(folder), str(folder / "kept"), msgspec.json.encode(meta))
        asked = FitAsked("both", params, (), "a fit", keep=self._paths.home / "state")
        async with self.places.fit_worker(asked, Listener(self._print)) as worker:
            return await worker.call(fit, ROWS, deadline=time.monotonic() + 500, setting="DLTK_FIT_TIMEOUT")

    @property
    def kept(self) -> list[Path]:
        return list(self._paths.home.glob("state-*"))


@contextlib.asynccontextmanager
async def machine(paths: Paths) -> AsyncIterator[Machine]:
    made = Machine(paths)
    await made.pool.start()
    try:
        yield made
    finally:
        await made.pool.close()


def info(answer: Answer) -> dict[str, object]:
    assert isinstance(answer[0], Fitted), answer[0]
    return dict(json.loads(answer[0].info))


async def appears(path: Path) -> dict[str, int]:
    while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
        await asyncio.sleep(0.05)
    return dict(json.loads(path.read_text()))  # noqa: ASYNC240 - a few bytes


def test_two_workers_fit_as_one_and_one_that_is_killed_costs_no_whole_epoch(paths: Paths, processes: None) -> None:
    async def body() -> None:
        async with machine(paths) as here:
            alone = info(await here.fit(1))
            assert (alone["ranks"], alone["told"]) == (1, [1, 2, 3, 4, 5])
            begun = asyncio.ensure_future(here.fit(2, hold="rank"))
            pid = (await appears(here.shared / "held-rank"))["pid"]
            while not here.kept:  # noqa: ASYNC110 - a thread makes it
                await asyncio.sleep(0.05)
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(
                RankLost, match=rf"Rank 1 of 2 on '{HERE}' was killed \(SIGKILL\).* in step 'fit' at both"
            ):
                await begun
            assert b"[rank 1] rank 1 has 40 rows\n" in here.printed
            again = info(await here.fit(2, hold="rank", resources="gpu"))
            assert b"Training goes on after 2 whole epochs.\n" in here.printed
            assert (again["ranks"], again["told"], again["address"]) == (2, [3, 4, 5], "127.0.0.1")
            for rank, card in enumerate((b"0", b"1")):
                assert b"rank %d sees GPU %b\n" % (rank, card) in here.printed  # one each
            assert again["loss"] == pytest.approx(alone["loss"], abs=CLOSE)
            here.kept[0].unlink()
            for rank in (b"0", b"1"):  # of the first start, which asked for none
                assert b"rank %b sees GPU -1\n" % rank in here.printed
            error = (await here.fit(2, hold="raise"))[0]
            assert isinstance(error, Failed)
            assert "ValueError: rank 1 cannot go on (at both.ipynb, cell 4 (mltkc_fit), line" in str(error.error)
            assert f"This was rank 1 of 2, on '{HERE}'" in str(error.error)
            assert [each.work for each in here.pool.workers()] == []

    asyncio.run(body())
