"""A network namespace, joined to this machine's network by a veth pair: a machine whose cable a test can pull."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

HERE, THERE = "10.213.77.1", "10.213.77.2"  # a network of two addresses, which nothing else should have
MASK = "/30"


def ip(*arguments: str) -> None:
    """Run ``ip``.

    Raises:
        OSError: there is no such program.
        subprocess.CalledProcessError: it failed: no right to do it, for one.
    """
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def remove_leftovers() -> None:
    """Remove the namespaces, and so the links, of tests that were killed: theirs have the same addresses."""
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    for pid in re.findall(r"^dltk(\d+)\b", listed, re.MULTILINE):
        if not Path("/proc", pid).exists():
            ip("netns", "delete", f"dltk{pid}")


class Namespace:
    """Reached at `address`, and reaching this machine at `HERE`; the link is up at the start."""

    address = THERE

    def __init__(self) -> None:
        self._name = f"dltk{os.getpid()}"
        self._link = f"v{os.getpid()}"
        self.command = ("ip", "netns", "exec", self._name)

    def __enter__(self) -> Self:
        remove_leftovers()
        ip("netns", "add", self._name)
        try:
            ip("link", "add", self._link, "type", "veth", "peer", "name", "far0", "netns", self._name)
            ip("address", "add", HERE + MASK, "dev", self._link)
            ip("-n", self._name, "address", "add", THERE + MASK, "dev", "far0")
            ip("-n", self._name, "link", "set", "lo", "up")
            ip("-n", self._name, "link", "set", "far0", "up")
            self.join()
        except BaseException:
            ip("netns", "delete", self._name)
            raise
        return self

    def cut(self) -> None:
        """Set the link down: nothing arrives any more, and nobody is told."""
        ip("link", "set", self._link, "down")

    def join(self) -> None:
        """Set the link up."""
        ip("link", "set", self._link, "up")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ip("netns", "delete", self._name)
