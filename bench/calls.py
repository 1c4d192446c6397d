"""Calls as Splunk makes them: for each a new TLS context and a new connection, by urllib, each client a process.

Beside it a lean client, which costs the servers' processors less: one context and bare sockets, still a new
connection for each call. The floor is a bare TLS server that reads the same body and answers as many bytes.

Seconds of processor time per request, of all processes of a server, stay what they are when the clients run on
another machine.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import psutil

from bench import tables
from bench.figures import Bar, Figure, Spread, in_turn, ratio
from bench.servers import HEADERS, TOKEN, Failed, Server, free_port, wait_for
from bench.world import World

CLIENTS = (1, 8, 32)
ROWS = (1, 20, 1_000, 50_000)
ROUNDS = 5  # of what a bar is for
FEW_ROUNDS = 3  # of the others
SECONDS = 1.0  # of one round
FEW_SECONDS = 0.4  # of one round of what no bar is for
LARGE_SECONDS = 0.8  # with 50,000 rows
BARRED = (20, 8)  # rows and clients that have bars
ALL = ("service", "naive", "floor")


def measure(world: World) -> list[Figure]:
    """Two figures for each client, number of clients and of rows: requests a second, and processor time."""
    rows = (1, 20) if world.quick else ROWS
    clients = (1, 8) if world.quick else CLIENTS
    with world.both(tls=True) as (ours, naive):
        for number in rows:
            for server in (ours, naive):
                server.fit(tables.body(tables.csv(10), "one"))
                server.post("/apply", tables.body(tables.csv(number), "one"))
        with _floor(ours.home / "tls") as floor:
            found = []
            for client in (_by_urllib, _by_sockets):
                for number in rows:
                    body = tables.body(tables.csv(number), "one")
                    for many in clients:
                        found += _figures(world, client, number, many, body, {"service": ours, "naive": naive}, floor)
            return found


def _figures(
    world: World,
    client: Callable[[int, bytes], None],
    rows: int,
    clients: int,
    body: bytes,
    both: Mapping[str, Server],
    floor: int,
) -> list[Figure]:
    rounds, seconds = _length(world, rows, clients)
    spent: dict[str, list[float]] = {name: [] for name in ALL}
    ways = {
        name: partial(_measured, client, server.port, body, clients, seconds, server.process.pid, spent[name])
        for name, server in both.items()
    }
    ways["floor"] = partial(_measured, client, floor, body, clients, seconds, 0, spent["floor"])
    rates = in_turn(ways, rounds)
    what = f"{clients} client{'s' * (clients > 1)}, {rows:,} row{'s' * (rows > 1)}, {client.__doc__}"
    bars = _bars(client, rows, clients, rates, spent)
    rate = Figure(f"calls a second, {what}", "1/s", *(Spread.of(rates[name]) for name in ALL), bars[0])
    seconds_each = [Spread.of(spent[name]) if name != "floor" else None for name in ALL]
    return [
        rate,
        Figure(
            f"processor time a call, {what}", "s", seconds_each[0] or Spread.of([0.0]), seconds_each[1], None, bars[1]
        ),
    ]


def _length(world: World, rows: int, clients: int) -> tuple[int, float]:
    """How many rounds, and the seconds of each."""
    if world.quick:
        return 2, FEW_SECONDS
    if (rows, clients) == BARRED:
        return ROUNDS, SECONDS
    return FEW_ROUNDS, LARGE_SECONDS if rows == max(ROWS) else FEW_SECONDS


def _bars(
    client: Callable[[int, bytes], None],
    rows: int,
    clients: int,
    rates: dict[str, list[float]],
    spent: dict[str, list[float]],
) -> tuple[tuple[Bar, ...], tuple[Bar, ...]]:
    if (rows, clients) != BARRED:
        return (), ()
    rate = ratio(rates, "service", "naive")
    if client is _by_urllib:
        return (Bar("× naive", rate, 1.0, at_least=True),), ()
    return (Bar("× naive", rate, 1.6, at_least=True),), (Bar("× naive", ratio(spent, "service", "naive"), 0.6),)


# ---------------------------------------------------------------- clients


def _by_urllib(port: int, body: bytes) -> None:
    """urllib, a new context each"""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(f"https://127.0.0.1:{port}/apply", body, HEADERS)
    with urllib.request.urlopen(request, context=context, timeout=600) as answer:
        _check(answer.read())


_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_CONTEXT.check_hostname, _CONTEXT.verify_mode = False, ssl.CERT_NONE


def _by_sockets(port: int, body: bytes) -> None:
    """lean client"""
    import socket

    head = f"POST /apply HTTP/1.1\r\nHost: bench\r\nAuthorization: {TOKEN}\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", port)) as plain, _CONTEXT.wrap_socket(plain) as sock:
        sock.sendall(f"{head}Connection: close\r\nContent-Type: application/json\r\n\r\n".encode() + body)
        parts = []
        with contextlib.suppress(ssl.SSLEOFError):
            while part := sock.recv(1 << 20):
                parts.append(part)
    _check(b"".join(parts).partition(b"\r\n\r\n")[2])


def _check(answer: bytes) -> None:
    if b'"success"' not in answer[:24]:
        raise Failed(f"an apply was answered with {answer[:200]!r}")


def _measured(
    client: Callable[[int, bytes], None],
    port: int,
    body: bytes,
    clients: int,
    seconds: float,
    server: int,
    spent: list[float],
) -> float:
    """Return calls a second; add the server's processor seconds for each to `spent`."""
    context = multiprocessing.get_context("fork")
    barrier, counts = context.Barrier(clients + 1), context.Array("q", clients)
    processes = [
        context.Process(target=_client, args=(client, port, body, seconds, barrier, counts, number))
        for number in range(clients)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    began, before = time.perf_counter(), _processor_seconds(server)
    for process in processes:
        process.join()
    took, after = time.perf_counter() - began, _processor_seconds(server)
    if any(process.exitcode for process in processes):
        raise Failed("a client failed")
    spent.append((after - before) / sum(counts))
    return sum(counts) / took


def _client(
    client: Callable[[int, bytes], None],
    port: int,
    body: bytes,
    seconds: float,
    barrier: Barrier,
    counts: list[int],
    number: int,
) -> None:
    client(port, body)
    barrier.wait()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        client(port, body)
        counts[number] += 1


def _processor_seconds(server: int) -> float:
    """Return the processor time of a server and of its workers until now; 0 for server 0."""
    if not server:
        return 0.0
    found = 0.0
    for process in (psutil.Process(server), *psutil.Process(server).children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            found += times.user + times.system
    return found


# ---------------------------------------------------------------- floor

_ECHO = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512) as listener:
    while True:
        plain = listener.accept()[0]
        try:
            with context.wrap_socket(plain, server_side=True) as sock:
                got = b""
                while b"\\r\\n\\r\\n" not in got:
                    got += sock.recv(65536)
                head, _, body = got.partition(b"\\r\\n\\r\\n")
                left = int(head.lower().split(b"content-length:")[1].split(b"\\r\\n")[0]) - len(body)
                rows = body.count(b"\\\\n")
                while left > 0:
                    part = sock.recv(1 << 20)
                    left -= len(part)
                    rows += part.count(b"\\\\n")
                answer = b'{"status": "success", "results": "' + b"1\\\\n" * rows + b'"}'
                head = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n"
                sock.sendall(head % len(answer) + answer)
        except OSError:
            pass
"""


@contextlib.contextmanager
def _floor(tls: Path) -> Iterator[int]:
    """Run a bare TLS server; yields its port."""
    port = free_port()
    command = [sys.executable, "-c", _ECHO, str(port), str(tls / "server.crt"), str(tls / "server.key")]
    process = subprocess.Popen(command, env=dict(os.environ))
    try:
        wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait()
