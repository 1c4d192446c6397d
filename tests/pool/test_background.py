"""Work for which nobody waits can be stopped; other work never is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from dltk_runtime.pool.background import LOWEST_PRIORITY, Background
from tests.support.service import until

pytestmark = pytest.mark.process


@pytest.fixture
def process() -> Iterator[psutil.Process]:
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    yield psutil.Process(started.pid)
    started.kill()
    started.communicate()


def of(process: psutil.Process) -> Background:
    return Background(process.pid, lambda number: os.killpg(process.pid, number))


def test_background_work_is_stopped_and_continued_at_the_lowest_priority(process: psutil.Process) -> None:
    work = of(process)
    with work.held(True):
        work.pause()
        until(lambda: process.status() == psutil.STATUS_STOPPED)
        assert process.nice() == LOWEST_PRIORITY
        work.go_on()
        until(lambda: process.status() != psutil.STATUS_STOPPED)
        work.pause()
        until(lambda: process.status() == psutil.STATUS_STOPPED)
    until(lambda: process.status() != psutil.STATUS_STOPPED)  # the lease has ended


def test_other_work_is_left_alone() -> None:
    sent: list[signal.Signals] = []
    work = Background(0, sent.append)
    with work.held(False):
        work.pause()
    work.pause()
    assert sent == []
