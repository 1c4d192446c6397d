"""How two tables compare, as figures: no value of a row is among them."""

from __future__ import annotations

import msgspec


class ColumnFigures(msgspec.Struct, frozen=True):
    """One column that two tables have in common.

    `equal` is the share of its cells that are equal, from 0 to 1. `largest` is the largest absolute
    difference of two numbers; None for other kinds, and where no pair has a finite difference.
    `within` says whether every pair of cells is equal or differs by at most `comparing.TOLERANCE`.
    """

    name: str
    types: tuple[str, str]  # dtypes that pandas reads: of the first table, of the second
    equal: float
    largest: float | None
    within: bool


class TableFigures(msgspec.Struct, frozen=True):
    """Two tables, the first one's figures first.

    `columns` are those that differ, the worst first, at most `comparing.MAX_COLUMNS` of the
    `differing` ones. `equal` is the share of equal cells in all common columns.
    """

    rows: tuple[int, int]
    widths: tuple[int, int]  # numbers of columns
    same_names: bool  # and the same order
    differing: int
    equal: float
    largest: float | None
    within: bool  # for all columns
    columns: tuple[ColumnFigures, ...] = ()

    @property
    def same_shape(self) -> bool:
        """Whether rows, names and order of columns are the same."""
        return self.same_names and self.rows[0] == self.rows[1]
