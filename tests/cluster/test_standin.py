"""A real server whose Ray is played: what its pages, and `dltk cluster`, say while nodes work, come, go or die."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.cluster.abandoned import ABANDONED_SECONDS
from dltk_runtime.cluster.helper import MODULE
from dltk_runtime.cluster.view import ClusterView
from tests.cluster.notebooks import write
from tests.cluster.standin_cluster import StandInCluster
from tests.console.browser import ADMIN, Browser
from tests.support.service import Service, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

PATIENCE = 180  # seconds, on a machine with other work
DATA = "a,b\n1,2\n3,4\n"
HELD = """
    def fit(model, df, param):
        import os, time
        while not os.path.exists("{folder}/go"):
            time.sleep(0.05)
        model["rows"] = len(df)
        return {{"rows": len(df)}}
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StandInCluster]:
    with StandInCluster(tmp_path / "nodes") as cluster:
        cluster.node("one", {"kind": "big"}, DLTK_FIT_WORKERS="1")
        cluster.node("two", {"kind": "other"})
        yield cluster


@pytest.fixture
def service(cluster: StandInCluster, tmp_path: Path) -> Iterator[Service]:
    write(tmp_path / "notebooks", "held", "label=kind=big", "label=kind=big", fit=HELD.format(folder=tmp_path))
    variables = cluster.variables | {"DLTK_ADMIN_TOKEN": ADMIN}
    with Service(tmp_path / "home", tmp_path / "notebooks", **variables) as service:
        until(lambda: len(machines(service).nodes) == 3, PATIENCE)
        yield service


def machines(service: Service) -> ClusterView:
    return msgspec.json.decode(service.send("/v1/cluster", None), type=ClusterView)


def plain(text: str) -> str:
    return " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", text, flags=re.DOTALL).split())


def test_the_page_and_the_command_follow_what_nodes_do(
    service: Service, cluster: StandInCluster, tmp_path: Path
) -> None:
    browser = Browser(service)
    assert browser.sign_in() == 303
    assert service.fit("held", DATA, "first", mode="async")["status"] == "submitted"
    until(lambda: [each.fits for each in machines(service).nodes if each.name == "one"] == [1], PATIENCE)
    assert service.fit("held", DATA, "second", mode="async")["status"] == "submitted"
    text = until(lambda: "one: 0 of 1 place" in (shown := plain(browser.get("/ui/cluster"))) and shown, PATIENCE)
    assert re.search(r"ray 2.55.0 joined .* one 127.0.0.1 kind=big joined held / first 1 of 1", text)
    assert re.search(r"held / second \w+ place \d of the queue .*one: 0 of 1 places free", text), text
    (tmp_path / "go").touch()
    until(lambda: [each["state"] for each in service.jobs()] == ["succeeded"] * 2, PATIENCE)
    assert service.apply("held", DATA, "first")["results"] == "rows\n2\n2\n"
    until(
        lambda: re.search(r"one 127.0.0.1 .* joined Applies: held / first 1", plain(browser.get("/ui/cluster"))),
        PATIENCE,
    )
    cluster.end("two")
    gone = until(lambda: machines(service).gone, PATIENCE)
    assert [(each.name, each.state) for each in gone] == [("two", "dead")]
    assert "two 127.0.0.1 dead" in plain(browser.get("/ui/cluster"))
    said = command(service)
    assert "two is dead since" in said
    assert "0 fits wait for a place." in said
    cluster.node("two")
    until(lambda: not machines(service).gone, PATIENCE)


def test_a_node_that_joins_again_drops_what_was_forgotten(service: Service, cluster: StandInCluster) -> None:
    kept = cluster.home("one") / "app/model/data/applies"
    (cluster.home("one").parent.parent / "go").touch()
    assert service.fit("held", DATA, "private")["status"] == "success"
    assert service.apply("held", DATA, "private")["results"] == "rows\n2\n2\n"
    assert list(kept.glob("*/files/held_private.json"))
    cluster.end("one")
    until(lambda: machines(service).gone, PATIENCE)
    folders = ["--home", str(service.home), "--notebooks", str(service.notebooks)]
    found = CliRunner().invoke(dltk, ["forget", "held/private", "--yes", *folders])
    assert found.exit_code == 0, found.output
    assert list(kept.glob("*/files/held_private.json"))
    cluster.node("one", {"kind": "big"}, DLTK_FIT_WORKERS="1")
    until(lambda: not list(kept.glob("*/files/*")), PATIENCE)


def test_a_killed_actor_leaves_nothing_and_the_next_one_keeps_what_another_uses(
    service: Service, cluster: StandInCluster, tmp_path: Path
) -> None:
    """The stand-in's actors live in the helper process."""
    fits = cluster.home("one") / "app/model/data/fits"
    assert service.fit("held", DATA, "cut", mode="async")["status"] == "submitted"
    key: Path = until(lambda: next(fits.glob("*/*/files"), None), PATIENCE).parent
    left, used = key.parent, fits / "0123456789abcdef"
    used.mkdir()
    helper_of(service).kill()
    until(lambda: [each for each in fits.iterdir() if each.is_dir() and each not in {left, used}], PATIENCE)
    assert left.exists()  # its front may still want a file
    os.utime(left, (0, time.time() - ABANDONED_SECONDS - 1))
    until(lambda: not left.exists(), PATIENCE)
    assert used.exists()
    (tmp_path / "go").touch()
    until(lambda: [each["state"] for each in service.jobs()] == ["succeeded"], PATIENCE)
    until(lambda: not list(fits.glob("*/*/files")), PATIENCE)


def helper_of(service: Service) -> psutil.Process:
    assert service.process is not None
    children = psutil.Process(service.process.pid).children()
    return next(each for each in children if MODULE in each.cmdline())


def command(service: Service, *given: Any) -> str:
    found = CliRunner().invoke(dltk, ["cluster", "--url", service.url, "--token", service.token, *given])
    assert found.exit_code == 0, found.output
    return found.output
