"""Clients without an accepted token: what they hold is bounded, and others are answered meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.conftest import write_notebook
from tests.support.service import ROOT, Service, until
from tests.support.wire import connection, encoded, head, one_event, read_all

pytestmark = pytest.mark.process

MIB = 1024**2
STRANGERS = int(os.environ.get("DLTK_SOAK_STRANGERS", "0"))  # `make soak` has 2,000
DATA = "a,b\n1,2\n"
PACE = threading.Event()  # never set: its wait is the pace of a slow client


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server with short deadlines."""
    root = tmp_path_factory.mktemp("strangers")
    write_notebook(root / "notebooks", "healthy")
    with Service(
        root / "home", root / "notebooks", DLTK_HEAD_TIMEOUT="1", DLTK_BODY_TIMEOUT="1", DLTK_BODY_RATE="1"
    ) as running:
        assert running.fit("healthy", DATA)["status"] == "success"
        yield running


@pytest.fixture
def own(tmp_path: Path) -> Iterator[list[Service]]:
    """Servers that a test starts for itself; they are stopped behind it."""
    started: list[Service] = []
    yield started
    for each in started:
        each.stop()


def started(own: list[Service], tmp_path: Path, **variables: str) -> Service:
    server = Service(tmp_path / "home", tmp_path / "notebooks", **variables)
    write_notebook(tmp_path / "notebooks", "healthy")
    own.append(server)
    server.start()
    return server


def connected(service: Service, source: str = "127.0.0.1") -> socket.socket:
    address = urlsplit(service.url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=60, source_address=(source, 0))


def ended(sock: socket.socket) -> bool:
    """Wait until the server has ended a connection."""
    try:
        return sock.recv(65536) == b""
    except ConnectionError:
        return True


def is_open(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return sock.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def seconds_of_livez(service: Service, source: str = "127.0.0.1") -> float:
    """How long one probe takes, on a connection of its own."""
    address = urlsplit(service.url)
    began = time.monotonic()
    probe = http.client.HTTPConnection(address.hostname or "", address.port, 60, source_address=(source, 0))
    with contextlib.closing(probe):
        probe.request("GET", "/livez")
        assert probe.getresponse().read() == b'{"status":"ok"}'
    return time.monotonic() - began


def memory_of(service: Service) -> int:
    assert service.process is not None
    return int(psutil.Process(service.process.pid).memory_info().rss)


# ---------------------------------------------------------------- work that is queued


def test_pipelined_requests_are_not_taken_before_the_one_before_is_answered(own: list[Service], tmp_path: Path) -> None:
    service = started(own, tmp_path)
    seconds_of_livez(service)
    before = memory_of(service)
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 30_000
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connected(service, "127.0.0.2")) for _ in range(8)]
        for sock in socks:
            sock.setblocking(False)
        for _ in range(6):
            for sock in socks:
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    sock.send(request)
            assert seconds_of_livez(service) < 1
    assert memory_of(service) < 1.5 * before


def test_pipelined_requests_are_all_answered_in_their_order(service: Service) -> None:
    routes = ["/livez", "/nothing", "/readyz"] * 50
    sent = b"".join(f"GET {route} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for route in routes)
    last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connection(service) as sock:
        sock.sendall(sent + last)
        answers = read_all(sock).split(b"HTTP/1.1 ")[1:]
    assert [int(each[:3]) for each in answers] == [200, 404, 200] * 50 + [200]


def test_a_request_behind_a_large_body_in_the_same_packet_is_answered_too(service: Service) -> None:
    body = encoded(DATA + "1,2\n" * 5000, "healthy")
    first = head(service, "/apply", {"Content-Length": str(len(body))}) + body
    with connection(service) as sock:
        sock.sendall(first + head(service, "/apply", {"Content-Length": str(len(body)), "Connection": "close"}) + body)
        assert read_all(sock).count(b'"status":"success"') == 2


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /livez HTTP/1.1\r\nX: ",
        b"POST /fit HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
        b"POST /fit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nX: ",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk", "half a second head", "a body that nothing needs"],
)
def test_a_connection_that_sends_no_more_is_ended(service: Service, sent: bytes) -> None:
    with connection(service) as sock:
        sock.sendall(sent)
        with contextlib.suppress(ConnectionError):
            read_all(sock)  # times out if the server does not end it


def drip(sock: socket.socket) -> None:
    for _ in range(600):  # a minute
        sock.sendall(b"x")
        PACE.wait(0.1)


@pytest.mark.parametrize(
    "begin", [b"GET /livez HTTP/1.1\r\nX: ", b"POST /fit HTTP/1.1\r\nContent-Length: 9999\r\n\r\n"]
)
def test_a_connection_that_sends_byte_by_byte_is_ended(service: Service, begin: bytes) -> None:
    with connection(service) as sock:
        sock.sendall(begin)
        with pytest.raises(ConnectionError):
            drip(sock)


def test_a_body_with_a_token_that_stops_is_ended(service: Service) -> None:
    with connection(service) as sock:
        sock.sendall(head(service, "/fit", {"Content-Length": "1000"}) + b'{"data": "')
        assert ended(sock)
    one_event(service, event="connection ended", reason="a body that is too slow")


def test_a_slow_body_with_a_token_is_received_to_its_end(service: Service) -> None:
    body = encoded(DATA, "healthy")
    with connection(service) as sock:
        sock.sendall(head(service, "/apply", {"Content-Length": str(len(body)), "Connection": "close"}))
        step = len(body) // 20
        for start in range(0, len(body), step):  # four times as long as one without a token may take
            sock.sendall(body[start : start + step])
            PACE.wait(0.2)
        assert b'"status":"success"' in read_all(sock)


def test_a_tls_handshake_that_does_not_end_is_ended(own: list[Service], tmp_path: Path) -> None:
    service = started(own, tmp_path, ENABLE_HTTPS="true", DLTK_HEAD_TIMEOUT="2", DLTK_MAX_UNKNOWN="8")
    with connected(service) as sock:
        assert ended(sock)
    crowd = [connected(service) for _ in range(9)]
    assert ended(crowd[0])  # it makes room
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connected(service) as sock, context.wrap_socket(sock) as secure:
        secure.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b'{"status":"ok"}' in read_all(secure)
    for each in crowd:
        each.close()


# ---------------------------------------------------------------- numbers


def test_the_oldest_connections_of_one_address_make_room_and_those_of_others_stay(
    own: list[Service], tmp_path: Path
) -> None:
    service = started(own, tmp_path, DLTK_MAX_UNKNOWN="8")
    other = connected(service, "127.0.0.3")
    same = [connected(service, "127.0.0.2") for _ in range(30)]
    assert all(ended(each) for each in same[:22])
    seconds_of_livez(service, "127.0.0.4")
    assert all(is_open(each) for each in [*same[22:], other])
    one_event(service, event="connection ended", client="127.0.0.2")
    for each in [other, *same]:
        each.close()


def test_an_address_that_sent_an_accepted_token_is_not_bounded_by_itself(own: list[Service], tmp_path: Path) -> None:
    service = started(own, tmp_path, DLTK_MAX_UNKNOWN="8")
    service.summary()
    same = [connected(service) for _ in range(30)]
    seconds_of_livez(service)
    service.summary()
    assert all(is_open(each) for each in same)
    for each in same:
        each.close()


def test_connections_in_all_are_bounded_and_one_with_a_token_is_served(own: list[Service], tmp_path: Path) -> None:
    service = started(own, tmp_path, DLTK_MAX_CONNECTIONS="128")
    crowd = [connected(service, f"127.0.1.{number + 1}") for number in range(120)]
    until(lambda: sum(is_open(each) for each in crowd) <= 16)
    assert service.fit("healthy", DATA)["status"] == "success"
    assert sum(is_open(each) for each in crowd) >= 14
    for each in crowd:
        each.close()


# ---------------------------------------------------------------- bytes


def test_of_a_body_without_a_token_only_so_much_is_read(service: Service) -> None:
    endless = b"100000\r\n" + b"x" * MIB + b"\r\n"
    sent = 0
    with connection(service) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(b"POST /fit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        while sent < 200:
            sock.sendall(endless)
            sent += 1
    assert sent < 128


def test_a_head_of_many_short_headers_is_refused(service: Service) -> None:
    with connection(service) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(b"GET /livez HTTP/1.1\r\n" + b"a:\r\n" * 2000 + b"\r\n")
        assert read_all(sock).startswith(b"HTTP/1.1 400 ")


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize("order", [("right", "wrong"), ("wrong", "right"), ("right", "right")])
def test_a_second_authorization_header_is_refused(service: Service, order: tuple[str, str]) -> None:
    values = [service.token if each == "right" else "wrong" for each in order]
    with connection(service) as sock:
        lines = "".join(f"Authorization: {value}\r\n" for value in values)
        sock.sendall(f"GET /summary HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n".encode())
        answer = read_all(sock)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"has 2 Authorization headers, and none of them counts" in answer


# ---------------------------------------------------------------- descriptors


def test_the_limit_of_descriptors_is_raised_to_the_hard_one(own: list[Service], tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
    try:
        service = started(own, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert service.process is not None
    assert resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


def test_the_end_of_descriptors_is_logged_once_and_probes_are_answered(own: list[Service], tmp_path: Path) -> None:
    service = started(own, tmp_path)
    seconds_of_livez(service)
    assert service.process is not None
    process = psutil.Process(service.process.pid)
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    most = max(int(each.name) for each in Path(f"/proc/{process.pid}/fd").iterdir()) + 1 + 20
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, hard))
    crowd = [connected(service, "127.0.0.2") for _ in range(80)]
    one_event(service, event="no connection can be accepted")
    before = sum(process.cpu_times()[:2])
    began = time.monotonic()
    assert seconds_of_livez(service) < 60
    assert sum(process.cpu_times()[:2]) - before < 0.5 * (time.monotonic() - began) + 0.5
    lines = [each for each in service.events() if each["event"] == "no connection can be accepted"]
    assert len(lines) == 1
    for each in crowd:
        each.close()
    assert seconds_of_livez(service) < 60


def test_what_a_stranger_sends_makes_short_lines_of_the_log_and_no_advice(own: list[Service], tmp_path: Path) -> None:
    """Container engines cut lines at 16 KiB: a longer one is no JSON any more."""
    service = started(own, tmp_path)
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    with connection(service) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n")
        assert b'{"status":"ok"}' in sock.recv(65536)
    for path in (b"/" + b"a" * 60_000, b"/v1/models/" + b"%e2%80%a8" * 6000):
        with connection(service) as sock:
            sock.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            read_all(sock)
    until(lambda: sum(each["event"] == "refused" for each in service.events()) == 2)
    assert max(map(len, service.log.read_bytes().splitlines())) < 8 * 1024
    assert "pip install" not in service.log.read_text()


# ---------------------------------------------------------------- all of it together


@contextlib.contextmanager
def crowd_of(service: Service, count: int, source: str) -> Iterator[None]:
    address = urlsplit(service.url)
    command = [sys.executable, "-m", "tests.support.strangers", str(address.hostname), str(address.port), str(count)]
    with subprocess.Popen([*command, source], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.stdin.close()
            process.wait(60)


@pytest.mark.parametrize("source", ["", "127.0.0.1"], ids=["from elsewhere", "from the client's own address"])
@pytest.mark.timeout(600)
def test_strangers_of_every_kind_do_not_keep_a_client_from_its_answers(
    own: list[Service], tmp_path: Path, source: str
) -> None:
    service = started(own, tmp_path)
    assert service.fit("healthy", DATA)["status"] == "success"
    quiet = [seconds_of_livez(service) for _ in range(100)]
    before = memory_of(service)
    with crowd_of(service, STRANGERS or 300, source):
        probes = [seconds_of_livez(service) for _ in range(1000 if STRANGERS else 200)]
        assert service.apply("healthy", DATA)["status"] == "success"
        assert service.status_of("/readyz") == 200
        after = memory_of(service)
    p99, alone = (statistics.quantiles(each, n=100)[98] for each in (probes, quiet))
    figures = [f"{each * 1000:.1f} ms" for each in (p99, alone)] + [f"{each / MIB:.0f} MiB" for each in (before, after)]
    sys.stdout.write(f"livez p99, and without strangers; memory before and after: {', '.join(figures)}\n")
    assert p99 < (0.05 if STRANGERS else 1)
    assert after < 1.5 * before
