"""How fast rows come out of Splunk: `search()` beside splunk-sdk's own reader. Needs no Splunk.

    .venv/bin/python -m bench.splunk_search [ROWS]

A server in a process of its own sends the same prepared export to each reader, which runs in a process of its own
too, so that its peak memory can be told. Rows have six fields: a time, two numbers, two texts, an identifier.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection as Pipe
from typing import Any

import pandas as pd
from splunklib import client, results

from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.search import search

PIECE = 500  # rows that are sent together
INFO = (
    b'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:s="http://dev.splunk.com/ns/rest"><entry><title>i</title>'
    b'<content type="text/xml"><s:dict><s:key name="version">9.4.0</s:key></s:dict></content></entry></feed>'
)


def line(number: int, *, last: bool) -> bytes:
    """One row as an export sends it."""
    row = {
        "_time": "2026-01-01T00:00:00.000+00:00",
        "bytes": str(number),
        "ratio": f"{number / 7:.6f}",
        "host": f"web{number % 50}",
        "status": "ok" if number % 9 else "failed",
        "id": f"k{number:031x}",
    }
    document = {"preview": False, "offset": number, **({"lastrow": True} if last else {}), "result": row}
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def serve(rows: int, pipe: Pipe) -> None:
    """Answer what both readers ask."""
    texts = [line(number, last=number == rows - 1) for number in range(rows)]
    pieces = [b"".join(texts[begin : begin + PIECE]) for begin in range(0, rows, PIECE)]

    class Splunkd(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Connection", "close")
            self.send_header("Content-Length", str(len(INFO)))
            self.end_headers()
            self.wfile.write(INFO)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Connection", "close")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Splunkd)
    pipe.send((server.server_port, sum(map(len, pieces))))
    server.serve_forever()


def with_search(port: int) -> pd.DataFrame:
    """Ours: typed columns."""
    return search("index=main", 0, connection=Connection("127.0.0.1", port, "token", scheme="http"), progress=False)


def with_sdk(port: int) -> pd.DataFrame:
    """splunk-sdk's reader, and the frame that people make of its rows: all text."""
    service = client.connect(host="127.0.0.1", port=port, scheme="http", token="token")
    stream = service.jobs.export("search index=main", output_mode="json")
    return pd.DataFrame([row for row in results.JSONResultsReader(stream) if isinstance(row, dict)])


def measured(reader: str, port: int, pipe: Pipe) -> None:
    """Rows, seconds, seconds of processor time, and MB of peak memory above what the imports took."""
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    frame = globals()[reader](port)
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    pipe.send((len(frame), seconds, processor, (after.ru_maxrss - before.ru_maxrss) / 1024))


def main(rows: int) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=[rows, theirs], daemon=True)
    server.start()
    port, size = ours.recv()
    print(f"{rows:,} rows, {size / 1e6:.0f} MB of JSON")
    for reader in ("with_search", "with_sdk"):
        process = context.Process(target=measured, args=[reader, port, theirs])
        process.start()
        process.join()
        if not ours.poll():
            sys.exit(f"{reader} failed")
        count, seconds, processor, memory = ours.recv()
        speed = f"{seconds:7.2f} s {count / seconds:>10,.0f} rows/s {processor:7.2f} s of processor"
        print(f"{reader:12} {count:>10,} rows {speed} {memory:7.0f} MB more")
    server.terminate()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
