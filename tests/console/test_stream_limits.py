"""An event stream is a connection like others for the front's limits, and outlives its idle deadlines."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

from tests.conftest import write_notebook
from tests.console.browser import ADMIN, Browser
from tests.console.test_replicas import opened
from tests.server.test_strangers import connected, ended, is_open
from tests.support.service import Service, until

pytestmark = pytest.mark.process

DATA = "a,b\n1,2\n3,4\n"
LIMITS = {"DLTK_HEAD_TIMEOUT": "1", "DLTK_BODY_TIMEOUT": "1", "DLTK_MAX_CONNECTIONS": "128", "DLTK_MAX_UNKNOWN": "8"}


def connections(service: Service) -> int:
    """How many there are, with the one that asks."""
    found = re.search(rb"^dltk_connections (\d+)", service.send("/metrics", None), re.MULTILINE)
    assert found
    return int(found[1])


def test_a_stream_outlives_deadlines_and_a_crowd_and_counts_as_a_connection(tmp_path: Path) -> None:
    write_notebook(tmp_path / "notebooks", "healthy")
    with Service(tmp_path / "home", tmp_path / "notebooks", DLTK_ADMIN_TOKEN=ADMIN, **LIMITS) as service:
        visitor = Browser(service)
        assert visitor.sign_in() == 303
        with opened(visitor, "/ui/jobs-live") as stream:
            assert stream.readline().startswith(b"data: ")
            for _ in range(3):  # each opened later than the stream, silent as it is, and ended by the deadline
                with connected(service) as silent:
                    assert ended(silent)
            with contextlib.ExitStack() as stack:
                crowd = [stack.enter_context(connected(service, f"127.0.1.{number + 1}")) for number in range(120)]
                until(lambda: sum(map(is_open, crowd)) <= 16)
            until(lambda: connections(service) == 2)
            assert service.fit("healthy", DATA, "seen_live")["status"] == "success"
            while b"seen_live" not in (line := stream.readline()):
                assert line, "the stream goes on"
        until(lambda: connections(service) == 1)
