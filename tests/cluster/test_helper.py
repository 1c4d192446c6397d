"""The helper process of a front whose cluster is away, and a front without any: real processes, no Ray."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from dltk_runtime.cluster.helper import Helper
from tests.conftest import write_notebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process

DATA = "a,b\n1,2\n"
NOBODY = "127.0.0.1:1"  # a port on which nothing listens


def test_a_helper_says_that_the_head_is_away_and_is_started_again_when_it_ends() -> None:
    async def body() -> None:
        helper = Helper(NOBODY, lambda: None)
        helper.start()
        await soon(lambda: "does not answer" in helper.nodes.problem)
        first = helper.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await soon(lambda: helper.pid not in {None, first})
        await soon(lambda: "does not answer" in helper.nodes.problem)
        last = psutil.Process(helper.pid)
        await helper.close()
        assert not last.is_running()  # by its time of start, as the number may be taken again

    asyncio.run(body())


async def soon(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.02)


def test_without_a_cluster_a_server_has_no_further_process(tmp_path: Path) -> None:
    """Its children are workers and the guardian, as ever, and `/v1/cluster` shows this machine alone."""
    write_notebook(tmp_path / "notebooks", "healthy")
    with Service(tmp_path / "home", tmp_path / "notebooks", DLTK_GPUS="none") as service:
        assert service.fit("healthy", DATA)["status"] == "success"
        assert service.apply("healthy", DATA)["status"] == "success"
        assert service.process is not None
        server = psutil.Process(service.process.pid)
        until(lambda: all(map(is_known, server.children(recursive=True))))
        assert not [each for each in server.memory_maps() if "/ray/" in each.path]
        text = service.send("/v1/cluster", None).decode()
    assert '"cluster":""' in text
    assert text.count('"name"') == 1
    assert "this machine" in text


def is_known(process: psutil.Process) -> bool:
    """Tell whether a process is a worker or the guardian, or has ended meanwhile."""
    try:
        command = " ".join(process.cmdline())
        return process.status() == psutil.STATUS_ZOMBIE or "dltk_runtime.worker" in command or "guardian.py" in command
    except psutil.NoSuchProcess:
        return True


def test_a_server_whose_cluster_cannot_be_used_does_not_start(tmp_path: Path) -> None:
    service = Service(tmp_path / "home", tmp_path / "notebooks", DLTK_CLUSTER=NOBODY)
    with pytest.raises(AssertionError, match=r"DLTK_CLUSTER=127.0.0.1:1 cannot be used: (Ray is not|set RAY_AUTH)"):
        service.start()
    assert service.process is not None
    assert service.process.wait(timeout=60) == 78
    assert service.process.stdout is not None
    service.process.stdout.close()
