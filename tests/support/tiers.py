"""Sort the tests into three tiers, and hold the first to its promise.

=========== =============================================================================================
``unit``    starts no process and connects to no other machine; ``make quick`` runs these
``process`` starts servers, workers, kernels or other programs
``heavy``   takes long by itself: large tables, the whole library of notebooks, deep-learning libraries
=========== =============================================================================================

A module or a test says ``process`` or ``heavy`` by a marker, or gets ``process`` from a fixture that requests
``processes``. Every other test is ``unit`` and runs under a guard: what would start a process or connect to another
machine raises `Forbidden` there, and the test fails even if the code under test catches that.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

PROCESS_EVENTS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}
SLOWER_TIERS = ("heavy", "process")
_SLOWER_MODULE = re.compile(r"^pytestmark = (?:\[[^\]]*?)?pytest\.mark\.(?:heavy|process)\b", re.MULTILINE)
ADVICE = "mark it (or its module) with @pytest.mark.process"


class Forbidden(RuntimeError):
    """A test of the tier ``unit`` starts a process or connects to another machine."""


class Guard:
    """An audit hook of the interpreter, which no code under test can bypass; it counts while it is active."""

    def __init__(self) -> None:
        self._active = False
        self._seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._active:
            return
        if event in PROCESS_EVENTS:
            what = f"{event} {arguments[0] if arguments else ''}".rstrip()
        elif event == "socket.connect" and not is_local(arguments[1]):
            what = f"a connection to {arguments[1]}"
        else:
            return
        self._seen.append(what)
        raise Forbidden(f"a unit test may not do this: {what}; {ADVICE}")

    @contextlib.contextmanager
    def watch(self, item: pytest.Item) -> Iterator[None]:
        """Guard one phase of a test, unless its tier may start processes."""
        if item.get_closest_marker("unit") is None:
            yield
            return
        self._active = True
        try:
            yield
        finally:
            self._active = False
            seen, self._seen = self._seen, []
        if seen:
            pytest.fail(f"this unit test tried to start a process or to leave the machine: {seen}; {ADVICE}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        with self.watch(item):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        with self.watch(item):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        with self.watch(item):
            return (yield)


def is_local(address: object) -> bool:
    """Return whether a socket's address is on this machine: a path of a Unix socket or a loopback address."""
    if not isinstance(address, tuple):
        return True
    host = str(address[0])
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host in {"", "localhost"}


def has_no_unit_test(path: Path) -> bool:
    """Return whether a module says in its first marker that all its tests are of a slower tier."""
    return path.suffix == ".py" and _SLOWER_MODULE.search(path.read_text(encoding="utf-8")) is not None


def mark(items: list[pytest.Item]) -> None:
    """Give each test the one marker of its tier that it does not carry itself."""
    for item in items:
        if any(item.get_closest_marker(tier) for tier in SLOWER_TIERS):
            continue
        starts = "processes" in getattr(item, "fixturenames", ())
        item.add_marker("process" if starts else "unit")
