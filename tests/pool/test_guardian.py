"""What a worker started goes with it, and with a server that is killed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dltk_runtime.pool.guardian import Guardian, marked
from tests.support.service import until

pytestmark = pytest.mark.process

# Leaves its session, and its parent.
FAMILY = ["sh", "-c", "setsid sleep 60 & setsid sh -c 'sleep 60 & sleep 60' & sleep 60"]


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        assert process.poll() is None, "it was nobody's"
        process.kill()


def family(guardian: Guardian) -> tuple[str, subprocess.Popen[bytes]]:
    folder = guardian.folder()
    process = subprocess.Popen(FAMILY, env=dict(os.environ) | guardian.variables(folder), cwd=f"{folder}/work")
    until(lambda: len(list(marked(folder))) >= 5)
    return folder, process


def test_clearing_a_folder_ends_its_processes_only(guardian: Guardian, bystander: subprocess.Popen[bytes]) -> None:
    (first, one), (second, two) = family(guardian), family(guardian)
    ones, twos = (Path(f"/dev/shm/sem.loky-{each.pid}-test") for each in (one, two))
    ones.touch()
    twos.touch()
    guardian.clear(first, one.pid)
    one.wait()
    until(lambda: not Path(first).exists() and not ones.exists())
    assert twos.exists()
    assert not list(marked(first))
    assert two.poll() is None
    assert Path(second).exists()
    guardian.clear(second, two.pid)
    two.wait()
    until(lambda: not twos.exists())


def test_a_folder_is_no_prefix_of_another(guardian: Guardian) -> None:
    folders = [guardian.folder() for _ in range(10)]
    with subprocess.Popen(["sleep", "60"], env=guardian.variables(folders[9])) as tenth:
        guardian.clear(folders[0])
        until(lambda: not Path(folders[0]).exists())
        assert tenth.poll() is None
        guardian.clear(folders[9])


def test_the_end_of_the_server_is_the_end_of_all() -> None:
    guardian = Guardian()
    families = [family(guardian) for _ in range(2)]
    guardian.close()  # as its end of the pipe is when it is killed
    for folder, process in families:
        process.wait()
        assert not Path(folder).exists()
        assert not list(marked(folder))
    assert not Path(families[0][0]).parent.exists()


def test_a_guardian_that_was_killed_is_replaced(guardian: Guardian) -> None:
    folder, process = family(guardian)
    guardian._process.kill()
    guardian._process.wait()
    guardian.clear(folder)
    process.wait()
    until(lambda: not Path(folder).exists())
