"""The HTTP client of every outgoing request: what it sends, what it refuses, and which errors its callers get."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from dltk_runtime.http_client import HttpClient, Interrupted, RequestInvalid
from dltk_runtime.tls import client_context


class Failure(Exception):
    def __init__(self, origin: str, cause: OSError) -> None:
        super().__init__(f"{origin}: {cause}")
        self.origin, self.cause = origin, cause


def new_client(**seconds: float) -> HttpClient:
    return HttpClient(client_context, Failure, **seconds)


@contextmanager
def server(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Answer one connection after the other with these bytes; yield the address and the requests."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    requests.append(received(connection))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", requests
        thread.join()


def received(connection: socket.socket) -> bytes:
    """Read one whole request."""
    with connection.makefile("rb") as file:
        head = b"".join(iter(file.readline, b"\r\n"))
        lengths = [line.split(b":")[1] for line in head.splitlines() if line.lower().startswith(b"content-length")]
        return head + b"\r\n" + file.read(int(lengths[0]) if lengths else 0)


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


def test_a_response_has_status_headers_and_body() -> None:
    with server(answer(b"no", "Content-Length: 2", "Retry-After: 3", status="503 Busy")) as (url, requests):
        response = new_client().request("POST", url + "/a?b=c", {"X-One": "1"}, b"body")
    assert (response.status, response.reason, response.headers["retry-after"]) == (503, "Busy", "3")
    assert response.body == b"no"
    assert requests[0].startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert b"Connection: close\r\n" in requests[0]
    assert requests[0].endswith(b"\r\n\r\nbody")


def test_neither_a_proxy_nor_a_redirect_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with server(answer(b"", "Location: http://127.0.0.1:1/", "Content-Length: 0", status="302 Found")) as (url, _):
        assert new_client().request("GET", url, {}).status == 302


@pytest.mark.parametrize(
    "url", ["ftp://host/", "host:8089", "http://", "http://host:x/", "http://host:99999", "http://[::x"]
)
def test_an_invalid_url_is_refused_before_any_connection(url: str) -> None:
    with pytest.raises(Failure) as caught:
        new_client().request("GET", url, {})
    assert isinstance(caught.value.cause, RequestInvalid)


def test_a_header_that_cannot_be_sent_is_not_repeated_in_the_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://user:password@127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(Failure) as caught:
            new_client().request("GET", url, {"Authorization": "secret\ntoken"})
    assert isinstance(caught.value.cause, RequestInvalid)
    assert "secret" not in str(caught.value)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", ConnectionResetError),
        (b"SSH-2.0-OpenSSH\r\n", ConnectionError),
        (answer(b"half", "Content-Length: 10"), ConnectionResetError),
    ],
)
def test_a_broken_answer_is_a_connection_error(sent: bytes, kind: type[OSError]) -> None:
    with server(sent) as (url, _), pytest.raises(Failure) as caught:
        new_client().request("GET", url, {})
    assert isinstance(caught.value.cause, kind)
    assert caught.value.origin == url


def test_lines_arrive_before_the_body_has_ended() -> None:
    go_on = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer(b"one\ntw"))
                go_on.wait(20)
                connection.sendall(b"o\nthree")

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with closing(new_client().open("GET", url, {})) as stream:
            lines = stream.lines()
            assert next(lines) == b"one\n"
            go_on.set()
            assert b"".join(lines) == b"two\nthree"
            assert not stream.framed
        thread.join()


def test_an_interrupted_client_ends_its_request_and_refuses_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        client = new_client()

        def interrupt() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                client.interrupt()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(Failure):
            client.request("GET", url, {})
        thread.join()
    with server(answer(b"", "Content-Length: 0")) as (url, _), pytest.raises(Failure) as caught:
        client.request("GET", url, {})
    assert isinstance(caught.value.cause, Interrupted)


def test_a_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(Failure) as caught:
        new_client(read_seconds=0.05).request("GET", f"http://127.0.0.1:{listening.getsockname()[1]}", {})
    assert isinstance(caught.value.cause, TimeoutError)
