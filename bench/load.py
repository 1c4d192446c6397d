"""Many clients at once, in one process that costs the servers little: bare sockets and a selector."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence

from bench.servers import TOKEN, Failed

_END = b"\r\n\r\n"


def requests_a_second(port: int, bodies: Sequence[bytes], clients: int, seconds: float) -> float:
    """Answered requests a second; client number n sends `bodies[n % len(bodies)]` over and over on one connection."""
    with selectors.DefaultSelector() as selector:
        all_clients = [_Client(port, bodies[number % len(bodies)]) for number in range(clients)]
        for client in all_clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
            client.send()
        began = time.perf_counter()
        while (spent := time.perf_counter() - began) < seconds:
            for key, _ in selector.select(1.0):
                key.data.receive()
    for client in all_clients:
        client.sock.close()
    return sum(client.answered for client in all_clients) / spent


class _Client:
    """One connection, with one request on its way at any time."""

    def __init__(self, port: int, body: bytes) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST /apply HTTP/1.1\r\nHost: bench\r\nAuthorization: {TOKEN}\r\nContent-Length: {len(body)}\r\n"
        self._request = f"{head}Content-Type: application/json\r\n\r\n".encode() + body
        self._got = b""
        self.answered = 0

    def send(self) -> None:
        self.sock.sendall(self._request)

    def receive(self) -> None:
        self._got += self.sock.recv(65536)
        head, end, body = self._got.partition(_END)
        if not end or len(body) < _length(head):
            return
        if b'"success"' not in body[:24]:
            raise Failed(f"an apply was answered with {body[:200]!r}")
        self.answered += 1
        self._got = b""
        self.send()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise Failed(f"an answer without Content-Length: {head!r}")
