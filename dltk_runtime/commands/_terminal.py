"""What the commands print: all of it goes through here.

Job records, answers of the container and of Splunk, notebooks and rows hold text that others wrote.
None of it can move the cursor, set the window's title or reverse the direction of what follows.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from dltk_runtime.texts import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MIN_FOLDED_CHARACTERS = 8  # of a column whose cells are folded
COLUMN_GAP = 2  # characters between two columns
NUMERALS = frozenset("0123456789.,:+-eE%")  # of numbers and times
PIPE_COLUMNS = 1000  # of a table into a pipe or file, which a script reads: no cell is folded


def echo(text: object = "", *, mark: str = "", err: bool = False, nl: bool = True) -> None:
    """Print text on a line; `mark`, printed before it, is our own and may be coloured."""
    click.echo(mark + printable(str(text)), err=err, nl=nl)


def echo_data(text: str) -> None:
    """Print data as it is, for the program that reads it; in a terminal like any other text."""
    click.echo(printable(text) if sys.stdout.isatty() else text, nl=False)


def console(*, markup: bool = False, width: int | None = None) -> Console:
    """Return a console that shows text as `printable` does, without highlights."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Clean(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                own = segment.control is not None
                yield segment if own else Segment(printable(segment.text), segment.style)

    return Clean(highlight=False, markup=markup, emoji=False, width=width)


def make_table(*columns: str, unbroken: Collection[str] = ()) -> Table:
    """Return an empty table without lines; the columns `unbroken` are not wrapped."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in unbroken)
    return table


def add_row(table: Table, *cells: str, style: str = "") -> None:
    """Add a row of plain texts."""
    from rich.text import Text

    table.add_row(*(Text(printable(cell)) for cell in cells), style=style)


def show_table(table: Table) -> None:
    """Print a table; in a terminal that is too narrow for it, each row as lines of its own."""
    shown = console(width=None if sys.stdout.isatty() else PIPE_COLUMNS)
    if widths := _widths(table, shown.width):
        for column, width in zip(table.columns, widths, strict=True):
            column.width = width
        shown.print(table, crop=False)
        return
    titles = [str(column.header) for column in table.columns]
    longest = max(map(len, titles))
    rows = zip(*([str(cell).replace("\n", " ") for cell in column.cells] for column in table.columns), strict=True)
    lines = [[f"{title:{longest}}  {cell}" for title, cell in zip(titles, row, strict=True) if cell] for row in rows]
    echo("\n\n".join("\n".join(each) for each in lines))


def _widths(table: Table, room: int) -> list[int]:
    """Return the width of each column where the table has `room` characters; empty if that is too little.

    Each column gets what it needs; the rest goes to the columns whose cells are folded, to each the same.
    """
    texts = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    whole = [_longest(line for text in each for line in text.splitlines()) for each in texts]
    widths = [
        full if column.no_wrap else min(full, _narrowest(each))
        for column, full, each in zip(table.columns, whole, texts, strict=True)
    ]
    count = len(widths)
    left = room - sum(widths) - (COLUMN_GAP * (count - 1) if table.box is None else (COLUMN_GAP + 1) * count + 1)
    if left < 0:
        return []
    for place in sorted(range(count), key=lambda each: whole[each] - widths[each]):
        more = min(whole[place] - widths[place], left // count)
        widths[place], left, count = widths[place] + more, left - more, count - 1
    return widths


def _narrowest(texts: Sequence[str]) -> int:
    """Return the characters that a column needs whose cells are folded, of which no number is cut.

    The first text is its title.
    """
    words = [word for text in texts for word in text.split()]
    numbers = _longest(word for word in words if NUMERALS.issuperset(word.rpartition("=")[2].strip("();")))
    return max(_longest(texts[:1]), MIN_FOLDED_CHARACTERS, numbers)


def _longest(texts: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, texts), default=0)
