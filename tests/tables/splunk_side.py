"""Read results as Splunk's side does, and compare them with the rows that were sent."""

from __future__ import annotations

import io
import warnings

import pandas as pd


def read(results: str) -> pd.DataFrame:
    """The frame that the ML toolkit makes of a reply's results."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        return pd.read_csv(io.StringIO(results))


def cells(results: str) -> list[list[str]]:
    """The header and the rows of a reply's results, before any type is inferred."""
    frame = pd.read_csv(io.StringIO(results), dtype=str, keep_default_na=False, header=None)
    return frame.to_numpy().tolist()


KEEPS_NUL = cells("a\0b\n") == [["a\0b"]]  # before its third release pandas reads a text up to its first NUL


def whole(text: str) -> str:
    """The text as it can be sent and read: halves of surrogate pairs are replaced."""
    sent = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return sent if KEEPS_NUL else sent.partition("\0")[0]


def assert_arrives(results: str, frame: pd.DataFrame) -> None:
    """All rows of `frame` arrive, and each of its texts in its place."""
    assert len(read(results)) == len(frame)
    header, *rows = cells(results)
    assert header == [whole(str(name)) for name in frame.columns]
    assert len(rows) == len(frame)
    for row, sent in zip(rows, frame.astype(object).to_numpy().tolist(), strict=True):
        for cell, value in zip(row, sent, strict=True):
            assert not isinstance(value, str) or cell == whole(value)
            assert isinstance(value, str | bool) or value is not None or cell == ""
