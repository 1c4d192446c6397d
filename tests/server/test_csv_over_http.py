"""The frame that a notebook gets is that of pandas.read_csv, however the rows arrive: torn, slowly, twice.

A differential fuzzer over real HTTP; ``make fuzz`` gives it more and new examples.
"""

from __future__ import annotations

import csv
import http.client
import io
import itertools
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dltk_runtime.server.body import MIN_UPLOAD_BYTES
from tests.support.service import Service, meta_for
from tests.support.wire import connection, head

# What the notebook answers: each column's name and type, and each cell so that no two values look the same.
SEEN = """
def seen(frame):
    def cell(value):
        return [type(value).__name__, value.hex() if type(value) is float else repr(value)]

    columns = [frame.iloc[:, number] for number in range(frame.shape[1])]
    return json.dumps(
        {
            "names": [repr(name) for name in frame.columns],
            "types": [str(column.dtype) for column in columns],
            "index": repr(frame.index.tolist()),
            "cells": [[cell(value) for value in column.tolist()] for column in columns],
        }
    )
"""
NOTEBOOKS = {
    "seen": {
        "seen": SEEN,
        "apply": "def apply(model, df, param):\n    return pd.DataFrame({'seen': [seen(df)]})",
    }
}
pytestmark = pytest.mark.server(notebooks=NOTEBOOKS, fits=[("seen", "a,b\n1,2\n")])

EXAMPLES = settings.default.max_examples // 4 if settings.default else 25
CELLS = [
    "0",
    "-0",
    "7",
    "007",
    "-12",
    "+5",
    "1.5",
    "-0.0",
    "0.1",
    "1e3",
    "1E-7",
    "inf",
    "nan",
    "",
    "NA",
    "None",
    "null",
]
CELLS += ["True", "False", "true", "9007199254740993", "123456789012345678901", "0x1f", "1_000", " 1", "1 ", "1,5", "x"]
CELLS += ["30/11/2026", '"', '""', '"a"', "a\nb", "a\rb", "é", "\ufeff", "\u2028", "𝄞", "\\", "\t", "\x00"]
HEADS = ["a,b", "a", "a,a", "a,b,c", '"a\nb",c', "1,2", "", "a\r", "\ufeffa,b", "a b,é", ",", "a,"]
cells = st.sampled_from(CELLS) | st.integers(-(10**16), 10**16).map(str) | st.floats().map(repr) | st.text(max_size=4)
rows = st.lists(st.lists(cells, min_size=1, max_size=4), max_size=6)
numbers = st.sampled_from(["0", "-0", "12", "1.5", "-2.25", "", "-"])


def written(lines: list[list[str]]) -> str:
    """Lines with their cells quoted where CSV wants that."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


tables = st.one_of(
    st.tuples(st.sampled_from(HEADS), rows.map(written)).map("\n".join),
    st.tuples(st.sampled_from(HEADS), st.lists(st.lists(cells, max_size=3).map(",".join)).map("\n".join)).map(
        "\n".join
    ),
    st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(numbers, min_size=width, max_size=width).map(",".join), min_size=1).map(
            lambda lines: "\n".join([",".join("abc"[:width]), *lines, ""])
        )
    ),
    st.text(max_size=20),
)


@dataclass(frozen=True)
class Arrival:
    """How a request comes: where it is torn, how long each piece takes, in which form and how often."""

    cuts: tuple[float, ...] = ()  # shares of the body
    pause: float = 0.0  # seconds between two pieces
    large: bool = False  # so that its rows are read while they arrive
    ascii: bool = True
    chunked: bool = False
    times: int = 1


arrivals = st.builds(
    Arrival,
    cuts=st.lists(st.floats(0, 1), max_size=6).map(lambda cuts: tuple(sorted(cuts))),
    pause=st.sampled_from([0.0, 0.0, 0.001, 0.01]),
    large=st.booleans(),
    ascii=st.booleans(),
    chunked=st.booleans(),
    times=st.sampled_from([1, 1, 2, 3]),
)
TORN = Arrival(cuts=tuple(share / 100 for share in range(100)), large=True, times=2)


def body_of(data: str, arrival: Arrival) -> bytes:
    """The body, made large by blanks behind it: what is announced decides how it is read."""
    meta = meta_for("a,b\n", "m", {"algo": "seen"})
    text = json.dumps({"data": data, "meta": meta}, ensure_ascii=arrival.ascii)
    return text.encode() + b" " * (MIN_UPLOAD_BYTES if arrival.large else 0)


def pieces(body: bytes, arrival: Arrival) -> Iterator[bytes]:
    """The body, torn; the rows themselves lie in its first part."""
    torn = min(len(body), len(body) - MIN_UPLOAD_BYTES + 100) if arrival.large else len(body)
    places = [0, *(round(share * torn) for share in arrival.cuts), len(body)]
    for start, end in itertools.pairwise(places):
        if end > start:
            yield body[start:end]


def answers(service: Service, data: str, arrival: Arrival) -> list[dict[str, Any]]:
    """What the server answers to each request, all on one connection."""
    body, found = body_of(data, arrival), []
    length = {"Transfer-Encoding": "chunked"} if arrival.chunked else {"Content-Length": str(len(body))}
    with connection(service) as sock:
        for _ in range(arrival.times):
            sock.sendall(head(service, "/apply", length))
            for piece in pieces(body, arrival):
                sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if arrival.chunked else piece)
                time.sleep(arrival.pause)
            if arrival.chunked:
                sock.sendall(b"0\r\n\r\n")
            answer = http.client.HTTPResponse(sock, method="POST")
            answer.begin()
            found.append(json.loads(answer.read()))
            assert answer.status == 200
    return found


def expected(data: str) -> str | None:
    """What a notebook sees of the frame of pandas.read_csv; None if that raises."""
    known: dict[str, Any] = {"json": json}
    exec(SEEN, known)
    with warnings.catch_warnings(action="ignore"), pd.option_context("future.infer_string", False):
        try:
            return str(known["seen"](pd.read_csv(io.BytesIO(data.encode()))))
        except (ValueError, OverflowError):
            return None


def seen_in(answer: dict[str, Any]) -> str | None:
    if answer["status"] == "error":
        assert answer["message"].startswith("/apply: ERROR: unable to convert raw data to pandas dataframe")
        return None
    (_, (cell,)) = csv.reader(io.StringIO(answer["results"]))
    return cell


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=tables, arrival=arrivals)
# Faults of readers that were found before, each torn at every place.
@example(data="a\r1,b\n2,3\n", arrival=TORN)
@example(data="a,b\n1,-0", arrival=TORN)
@example(data="a,b\n\ufeff1,2\n", arrival=TORN)
@example(data="\ufeffa,b\n1,2\n", arrival=TORN)
@example(data="a,b\n+1,2\n", arrival=TORN)
@example(data="a,b\n1,\n,2.5\n-0,3\n", arrival=TORN)
@example(data='a,b\n"é\n𝄞",\\\n', arrival=TORN)
@example(data="\n", arrival=TORN)
@example(data="", arrival=Arrival(chunked=True))
def test_the_frame_is_that_of_pandas_however_the_rows_arrive(
    shared_service: Service, data: str, arrival: Arrival
) -> None:
    wanted = expected(data)
    for answer in answers(shared_service, data, arrival):
        assert seen_in(answer) == wanted
