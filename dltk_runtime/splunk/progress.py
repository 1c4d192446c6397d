"""Progress bar for terminals and Jupyter."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self, TypeVar

import rich.progress
from rich.console import Console

from dltk_runtime.texts import printable

T = TypeVar("T")


class ProgressBar:
    """Count rows, or what `unit` names.

    Args:
        label: text before the bar, shortened to 40 characters.
        unit: noun behind the count.
        show: whether to show the bar; None for only in a terminal or in Jupyter.
    """

    def __init__(self, label: str, *, unit: str = "rows", show: bool | None = None) -> None:
        console = Console(stderr=True)
        watched = console.is_terminal or console.is_jupyter
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(),
            rich.progress.TextColumn(f"{{task.completed:,.0f}} {unit}"),
            rich.progress.TimeElapsedColumn(),
            console=console,
            disable=not (watched if show is None else show),
        )
        self._task = self._bar.add_task(printable(label if len(label) <= 40 else label[:39] + "…"), total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def restart(self) -> None:
        """Restart the count at 0."""
        self._bar.update(self._task, completed=0)

    def to(self, count: int, total: int | None = None) -> None:
        """Show `count`, of `total` where that is known."""
        self._bar.update(self._task, completed=count, total=total)


def counted(blocks: Iterator[list[T]], bar: ProgressBar, total: int | None = None) -> Iterator[list[T]]:
    """Yield `blocks` of rows and count them with `bar`, of `total` where that is known."""
    count = 0
    for block in blocks:
        count += len(block)
        bar.to(count, total)
        yield block
    bar.to(count, count)
