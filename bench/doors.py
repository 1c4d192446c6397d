"""A million rows of ten columns, with as many results: by Arrow and by binary tensors beside CSV."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa

from bench import tables
from bench.figures import Bar, Figure, Spread, in_turn, ratio
from bench.servers import TOKEN, Failed, Server
from bench.world import World

ROUNDS = 5
ROWS = 1_000_000
QUICK_ROWS = 50_000
LIMIT = 0.25  # of the time that CSV takes
ARROW = "application/vnd.apache.arrow.stream"


def measure(world: World) -> list[Figure]:
    """One figure for each form; ten result columns, as many as were sent."""
    rows = QUICK_ROWS if world.quick else ROWS
    data = tables.csv(rows)
    frame = pd.read_csv(io.StringIO(data))
    splunks = tables.body(data, "ten")
    with world.service() as server:
        server.fit(tables.body(tables.csv(10), "ten"))
        ways: dict[str, Callable[[], float]] = {"CSV": partial(server.timed, "/apply", splunks)}
        for name, (path, body, headers) in _requests(frame).items():
            ways[name] = partial(_timed, server, path, body, headers)
        for way in ways.values():
            way()
        values = in_turn(ways, world.rounds(ROUNDS))
    return [
        Figure(
            f"apply, {rows:,} rows, 10 result columns, by {name}",
            "s",
            Spread.of(values[name]),
            bars=() if name == "CSV" else (Bar("× CSV", ratio(values, name, "CSV"), LIMIT),),
        )
        for name in ways
    ]


def _requests(frame: pd.DataFrame) -> dict[str, tuple[str, bytes, dict[str, str]]]:
    """The same rows in each form: path, body and headers."""
    infer, values = "/v2/models/ten.m/infer", frame.to_numpy()
    columns = [(str(name), np.ascontiguousarray(frame[name].to_numpy())) for name in frame]
    return {
        "Arrow": ("/v1/models/ten/m/apply", _stream(frame), {"Content-Type": ARROW}),
        "one binary matrix": (infer, *_tensors([("rows", np.ascontiguousarray(values))])),
        "binary columns": (infer, *_tensors(columns)),
    }


def _stream(frame: pd.DataFrame) -> bytes:
    rows = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return bytes(sink.getvalue())


def _tensors(arrays: list[tuple[str, np.ndarray]]) -> tuple[bytes, dict[str, str]]:
    inputs = [
        {"name": name, "shape": values.shape, "datatype": "FP64", "parameters": {"binary_data_size": values.nbytes}}
        for name, values in arrays
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    body = b"".join([head, *(values.tobytes() for _, values in arrays)])
    return body, {"Inference-Header-Content-Length": str(len(head))}


def _timed(server: Server, path: str, body: bytes, headers: dict[str, str]) -> float:
    """Seconds that a request and its whole answer take.

    Raises:
        Failed: the answer is no success.
    """
    began = time.perf_counter()
    connection = server.connect()
    connection.request("POST", path, body, {"Authorization": TOKEN, **headers})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise Failed(f"{server.name} answered {path} with {text[:500]!r}")
    return time.perf_counter() - began
