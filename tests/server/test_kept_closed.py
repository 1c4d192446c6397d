"""What outsiders attacked and found closed, beside what other modules here show: it stays closed."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest

from tests.support.service import Service
from tests.support.wire import connection, read_all

pytestmark = [pytest.mark.process, pytest.mark.server(notebooks={"healthy": {}})]

HIDDEN = b"GET /livez?hidden HTTP/1.1\r\nHost: x\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % (5 + len(HIDDEN))
CHUNKED = b"Transfer-Encoding: chunked\r\n"
EMPTY = b"0\r\n\r\n"


def of(headers: bytes, body: bytes = EMPTY + HIDDEN) -> bytes:
    return b"POST /nothing HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n" + body


DOUBTFUL = {
    "a length and chunks": of(LENGTH + CHUNKED),
    "chunks and a length": of(CHUNKED + LENGTH),
    "two lengths": of(b"Content-Length: 0\r\n" + LENGTH, HIDDEN),
    "a list of lengths": of(b"Content-Length: 0, 0\r\n", HIDDEN),
    "a length with a sign": of(b"Content-Length: +0\r\n", HIDDEN),
    "chunks in a folded line": of(b"Transfer-Encoding:\r\n chunked\r\n" + LENGTH),
    "chunks of another name": of(b"Transfer-Encoding: xchunked\r\n"),
    "chunks behind a blank": of(b"Transfer-Encoding : chunked\r\n"),
    "chunks and then none": of(CHUNKED + b"Transfer-Encoding: identity\r\n"),
    "a size that is none": of(CHUNKED, b"0x0\r\n\r\n" + HIDDEN),
    "a size below zero": of(CHUNKED, b"-1\r\n\r\n" + HIDDEN),
    "a chunk that ends with a line feed": of(CHUNKED, b"0\n\n" + HIDDEN),
    "lines that end with a line feed": (b"POST /nothing HTTP/1.1\nHost: x\n" + LENGTH + b"\n" + HIDDEN),
    "an upgrade": of(b"Connection: Upgrade\r\nUpgrade: h2c\r\n", HIDDEN),
    "a tunnel": b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "a carriage return in a header": of(b"X-Request-ID: a\rb: c\r\nContent-Length: 0\r\n", HIDDEN),
    "a NUL in a header": of(b"X-A: a\0b\r\nContent-Length: 0\r\n", HIDDEN),
}


def answers(service: Service, request: bytes, *, ends: bool = False) -> bytes:
    """Send bytes, and with `ends` no more; return all that is answered until the server hangs up."""
    with connection(service) as sock:
        sock.sendall(request)
        if ends:
            sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


def test_a_request_whose_end_is_in_doubt_ends_its_connection(service: Service) -> None:
    found = {
        name: re.findall(rb"HTTP/1\.1 (\d+) ", answers(service, sent, ends=True)) for name, sent in DOUBTFUL.items()
    }
    assert found == {name: [b"400"] for name in DOUBTFUL} | {"an upgrade": [b"404"]}
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answers(service, of(b"Content-Length: 0\r\n", HIDDEN), ends=True)) == [
        b"404",
        b"200",
    ]


def test_a_chunk_with_an_endless_extension_is_refused(service: Service) -> None:
    with connection(service) as sock:
        sock.sendall(of(CHUNKED, b"5;" + b"a=b;" * 20_000))
        assert b"HTTP/1.1 400 " in read_all(sock)


def test_no_page_of_another_site_may_read_an_answer(service: Service) -> None:
    of_another = b"Host: evil.example\r\nOrigin: https://evil.example\r\nConnection: close\r\n"
    for method, path in (
        (b"OPTIONS", b"/fit"),
        (b"GET", b"/livez"),
        (b"GET", b"/v1/models"),
        (b"OPTIONS", b"/v1/models"),
    ):
        asked = b"Access-Control-Request-Method: POST\r\n" if method == b"OPTIONS" else b""
        answer = answers(service, b"%b %b HTTP/1.1\r\n%b%b\r\n" % (method, path, of_another, asked)).lower()
        assert b"access-control" not in answer
        assert b"evil" not in answer
        assert answer.startswith((b"http/1.1 405 ", b"http/1.1 200 ", b"http/1.1 401 "))


def test_a_picture_runs_no_script_and_its_ranges_are_bounded(service: Service) -> None:
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    (service.home / "app" / "graphics" / "a.svg").write_bytes(drawing)
    ask = b"GET /graphics/a.svg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%b\r\n"
    head, _, body = answers(service, ask % b"").lower().partition(b"\r\n\r\n")
    assert body == drawing.lower()
    for line in (
        b"content-security-policy: sandbox",
        b"x-content-type-options: nosniff",
        b"content-type: image/svg+xml",
    ):
        assert line in head
    many = b"Range: bytes=%b\r\n" % b",".join(b"%d-%d" % (start % 9, 60) for start in range(2000))
    assert len(answers(service, ask % many)) < 10 * len(drawing)


def test_no_text_of_a_client_makes_a_line_of_the_log_or_of_the_metrics(service: Service) -> None:
    forged = '{"event": "forged"}'
    for path in ("/%0a" + forged.replace(" ", "%20"), "/v1/models/a%0Ab/m", "/v1/jobs/%0d%0a" + forged):
        answers(service, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    name = 'm",outcome="x"} 1\nforged_total 1\n'
    meta: dict[str, Any] = {"options": {"params": {"algo": f"healthy\n{forged}"}, "model_name": name}}
    assert service.post("/fit", data="a\n1\n", meta=meta)["status"] == "error"
    assert service.events()
    assert not [each for each in service.events() if each.get("event") == "forged"]
    assert all(line.startswith("{") for line in service.log.read_text().splitlines())
    assert not re.search(rb"^forged", service.send("/metrics", None), re.MULTILINE)
