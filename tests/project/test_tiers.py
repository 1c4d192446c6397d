"""A test that starts a process or leaves the machine may not call itself a unit test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.service import ROOT
from tests.support.tiers import has_no_unit_test, is_local

pytestmark = pytest.mark.process

CONFTEST = """
import pytest
from tests.support import tiers

def pytest_configure(config):
    config.pluginmanager.register(tiers.Guard())

def pytest_collection_modifyitems(items):
    tiers.mark(items)

@pytest.fixture
def processes(): ...
"""
TESTS = """
import contextlib, os, socket, subprocess, pytest

def test_unit_that_starts_a_program():
    subprocess.run(["true"])

def test_unit_that_hides_it():
    with contextlib.suppress(Exception):
        subprocess.run(["true"])

def test_unit_that_forks():
    os.fork()

def test_unit_that_leaves_the_machine():
    socket.create_connection(("192.0.2.1", 80), timeout=0.01)

@pytest.fixture(scope="module")
def program():
    return subprocess.run(["true"])

def test_unit_whose_fixture_starts_a_program(program): ...

def test_unit_that_stays():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()): ...

@pytest.mark.process
def test_process():
    subprocess.run(["true"])

@pytest.mark.heavy
def test_heavy():
    subprocess.run(["true"])

def test_process_by_its_fixture(processes):
    subprocess.run(["true"])
"""


def outcomes(folder: Path, *arguments: str) -> dict[str, str]:
    """Run pytest over `CONFTEST` and `TESTS`; return the outcome of each test."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_these.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(folder), "-p", "no:cacheprovider"]
    command += ["-q", "-rA", "--tb=no", "-W", "ignore", *arguments, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    words = [line.split() for line in done.stdout.splitlines()]
    return {line[1].partition("::test_")[2]: line[0] for line in words if line[1:] and "::" in line[1]}


def test_what_a_unit_test_may_not_do_fails_also_where_its_error_is_hidden(tmp_path: Path) -> None:
    assert outcomes(tmp_path) == {
        "unit_that_starts_a_program": "FAILED",
        "unit_that_hides_it": "FAILED",
        "unit_that_forks": "FAILED",
        "unit_that_leaves_the_machine": "FAILED",
        "unit_whose_fixture_starts_a_program": "ERROR",
        "unit_that_stays": "PASSED",
        "process": "PASSED",
        "heavy": "PASSED",
        "process_by_its_fixture": "PASSED",
    }


def test_each_test_has_one_tier(tmp_path: Path) -> None:
    tiers = {tier: set(outcomes(tmp_path, "-m", tier)) for tier in ("unit", "process", "heavy")}
    assert (len(tiers["unit"]), tiers["process"], tiers["heavy"]) == (
        6,
        {"process", "process_by_its_fixture"},
        {"heavy"},
    )


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (("127.0.0.1", 80), True),
        (("::1", 80, 0, 0), True),
        (("localhost", 80), True),
        ("/tmp/socket", True),
        (("10.0.0.1", 80), False),
        (("example.com", 80), False),
    ],
)
def test_local_addresses(address: object, local: bool) -> None:
    assert is_local(address) is local


@pytest.mark.parametrize(
    ("text", "none"),
    [
        ("pytestmark = pytest.mark.process\n", True),
        ("import pytest\n\npytestmark = pytest.mark.heavy\n", True),
        ("pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]\n", True),
        ("pytestmark = [\n    pytest.mark.process,\n]\n", True),
        ("pytestmark = pytest.mark.processes\n", False),
        ('TESTS = """\n    pytestmark = pytest.mark.process\n"""\n', False),
        ("@pytest.mark.process\ndef test_one(): ...\n\ndef test_two(): ...\n", False),
    ],
)
def test_a_module_without_a_unit_test_is_known_without_its_import(tmp_path: Path, text: str, none: bool) -> None:
    path = tmp_path / "test_module.py"
    path.write_text(text)
    assert has_no_unit_test(path) is none


def test_what_is_not_imported_for_the_unit_tests_has_none() -> None:
    """In the markers, not only in the text."""
    skipped = [path for path in (ROOT / "tests").rglob("test_*.py") if has_no_unit_test(path)]
    assert len(skipped) > 40
    chosen = ["-m", "unit and not heavy", *map(str, skipped)]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *chosen]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1].startswith(("no tests collected", "no tests ran"))
