"""End a process at each single change of the disk that an operation makes: just before it, in it, just after it.

Changes are writes, fsyncs, renames, links, removals, and folders and files that are made. The operation runs in a
child process, which ends there as by a kill. What a buffered file object writes is one change with its creation.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGES = ("write", "pwrite", "fsync", "mkdir", "rename", "replace", "link", "unlink", "rmdir", "open")
BEFORE, MIDDLE, AFTER = "before", "in the middle of", "after"
ENDED = 9  # exit status of a child that ended at its point
ORIGINAL_WRITE = os.write


def moments(change: str) -> tuple[str, ...]:
    """When a process can end at such a change."""
    return (BEFORE, MIDDLE, AFTER) if change == "write" else (BEFORE, AFTER)


def changes(run: Callable[[], object]) -> list[str]:
    """The names of the changes that a whole operation makes, in their order."""
    readable, writable = os.pipe()
    if not (child := os.fork()):
        _run(run, Watched(tell=writable))
    os.close(writable)
    with open(readable) as lines:
        found = lines.read().split()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return found


def ended_at(run: Callable[[], object], point: int, when: str) -> None:
    """Run the operation in a child that ends at the point."""
    if not (child := os.fork()):
        _run(run, Watched(point, when))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == ENDED


def each_end(
    prepared: Path, tmp_path: Path, run: Callable[[Path], object], *, middle: bool = True
) -> Iterator[tuple[str, Path]]:
    """Yield copies of a prepared folder in which an operation was cut short: one for each change and moment.

    Just after a change is just before the next one: what comes after is done once, for the last. Each copy is
    removed behind its use. `middle`: also in the middle of each write.
    """
    counted = shutil.copytree(prepared, tmp_path / "counted", symlinks=True)
    points = changes(lambda: run(counted))
    assert len(points) > 2, "the operation changes the disk"
    for number, change in enumerate(points):
        for when in moments(change)[: None if number == len(points) - 1 else -1]:
            if when == MIDDLE and not middle:
                continue
            folder = shutil.copytree(prepared, tmp_path / "ended", symlinks=True)
            ended_at(lambda folder=folder: run(folder), number, when)  # type: ignore[misc]
            yield f"{when} change {number}, {change}, of {points}", folder
            shutil.rmtree(folder)


def _run(run: Callable[[], object], watched: Watched) -> None:
    """Run the operation with all changes watched, and end the process."""
    try:
        watched.install()
        run()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the child must end here, whatever happens
        os._exit(1)


@dataclass
class Watched:
    """Counts the changes of the disk that this process makes; ends it at `point`, or tells each to a descriptor."""

    point: int = -1
    when: str = ""
    tell: int = -1
    count: int = 0

    def install(self) -> None:
        for name in CHANGES:
            # It ends a process, and not the machine: what is written is there without waiting for the disk.
            setattr(os, name, self.watched(name, (lambda _: None) if name == "fsync" else getattr(os, name)))
        io.open = self.watched("create", io.open)  # type: ignore[assignment]

    def watched(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            if _is_only_read(name, given, options):
                return original(*given, **options)
            here, self.count = self.count, self.count + 1
            if self.tell >= 0:
                ORIGINAL_WRITE(self.tell, f"{name}\n".encode())
            if here == self.point and self.when == MIDDLE:
                original(given[0], bytes(given[1])[: len(given[1]) // 2])
            if here == self.point and self.when != AFTER:
                os._exit(ENDED)
            try:
                return original(*given, **options)
            finally:
                if here == self.point:
                    os._exit(ENDED)

        return call


def _is_only_read(name: str, given: tuple[Any, ...], options: dict[str, Any]) -> bool:
    """Whether a call opens a file that is there already, and changes nothing by that."""
    if name == "open":
        return not given[1] & os.O_CREAT
    mode = str((*given, "r", "r")[1] if len(given) > 1 else options.get("mode", "r"))
    return name == "create" and not set(mode) & set("wax")
