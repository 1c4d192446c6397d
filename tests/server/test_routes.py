"""Every route but fit, apply and summary, and every way in which a client may send a request."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import write_notebook
from tests.support.service import Service
from tests.support.wire import connection, encoded, head, read_all

DATA = "a,b\n1,2\n3,4\n"


pytestmark = [pytest.mark.process, pytest.mark.server(notebooks={"healthy": {}}, fits=[("healthy", DATA)])]


# ---------------------------------------------------------------- other routes


def test_compute_is_gone_whatever_is_sent(service: Service) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        service.send("/compute", b"x" * 5_000_000)
    with caught.value as error:
        assert error.code == 410
        assert "retired" in json.load(error)["detail"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_need_no_token(service: Service, path: str) -> None:
    with urllib.request.urlopen(service.url + path, timeout=60) as answer:
        assert json.load(answer) == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("POST", "/nothing", 404),
        ("GET", "/fit", 405),
        ("PUT", "/apply", 405),
        ("POST", "/summary", 405),
        ("GET", "/graphics", 404),
    ],
)
def test_an_unknown_route_is_refused_in_json(service: Service, method: str, path: str, status: int) -> None:
    body = b"x" * 3_000_000 if method != "GET" else None
    request = urllib.request.Request(service.url + path, data=body, method=method)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=60)
    with caught.value as error:
        assert error.code == status
        assert list(json.load(error)) == ["detail"]


def picture(service: Service, path: str) -> tuple[int, bytes]:
    """GET a path exactly as it is written, without a token."""
    with connection(service) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = read_all(sock)
    return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("name", ["plot.png", "my plot.png", "_a-b.c.svg", "a.JPG", "a.jpeg", "a.gif", "a.webp"])
def test_a_picture_needs_no_token(service: Service, name: str) -> None:
    (service.home / "app" / "graphics" / name).write_bytes(b"picture")
    assert picture(service, f"/graphics/{name.replace(' ', '%20')}") == (200, b"picture")


@pytest.mark.parametrize(
    "path",
    [
        *("/graphics/missing.png", "/graphics/", "/graphics/.hidden", "/graphics/..", "/graphics/../secret"),
        *("/graphics/%2e%2e/secret", "/graphics/..%2fsecret", "/graphics/%2e%2e%2fsecret", "/graphics//etc/passwd"),
        *("/graphics/%2fetc%2fpasswd", "/graphics/link.png", "/graphics/folder", "/graphics/folder/inner.png"),
        *("/graphics/pipe", "/graphics/a%00.png", "/graphics/plot.png%00", "/graphics/" + "a" * 5000, "/graphics/%ff"),
        *("/graphics/page.html", "/graphics/code.js", "/graphics/sheet.css", "/graphics/data.json", "/graphics/plain"),
        *("/graphics/page.png.html", "/graphics/page.xhtml", "/graphics/pipe.png"),
        *("/graphics/plot.png/", "/graphics/..\\secret", "/graphics/%252e%252e%252fsecret", "/graphics/%c3%a9.png"),
    ],
)
def test_only_plain_files_of_the_pictures_folder_are_served(service: Service, path: str) -> None:
    folder = service.home / "app" / "graphics"
    (folder.parent / "secret").write_text("secret")
    pages = ("page.html", "code.js", "sheet.css", "data.json", "plain", "page.png.html", "page.xhtml")
    for name in (".hidden", "é.png", "plot.png", *pages):
        (folder / name).write_text("secret")
    (folder / "folder").mkdir(exist_ok=True)
    (folder / "folder" / "inner.png").write_text("secret")
    if not (folder / "pipe").exists():
        os.mkfifo(folder / "pipe")
        os.mkfifo(folder / "pipe.png")
        (folder / "link.png").symlink_to(folder.parent / "secret")
    status, answer = picture(service, path)
    assert status == 404
    assert b"secret" not in answer


# ---------------------------------------------------------------- clients


def test_many_requests_on_one_connection(service: Service) -> None:
    address = urlsplit(service.url)
    headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)) as client:
        for number in range(30):
            path = ("/apply", "/summary", "/nothing")[number % 3]
            client.request("GET" if path == "/summary" else "POST", path, encoded(DATA, "healthy"), headers)
            answer = client.getresponse()
            assert answer.read()
            assert answer.status == (404 if path == "/nothing" else 200)
            assert client.sock is not None, "the server closed the connection"


def answer_before_the_body(service: Service, sock: socket.socket | ssl.SSLSocket, size: int) -> None:
    """Send the head of a request whose answer needs no body, and read that answer."""
    sock.sendall(head(service, "/summary", {"Content-Length": str(size)}, method="GET"))
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    assert answer.status == 200
    assert answer.read()


def test_a_body_that_comes_after_its_answer_leaves_the_connection_open(service: Service) -> None:
    with connection(service) as sock:
        for _ in range(3):
            answer_before_the_body(service, sock, 200)
            sock.sendall(b"x" * 200)


def test_a_large_body_that_comes_after_its_answer_ends_the_connection(service: Service) -> None:
    with connection(service) as sock:
        answer_before_the_body(service, sock, 1_000_000)
        assert sock.recv(1) == b""


def test_an_upload_in_chunks_of_unknown_length(service: Service) -> None:
    address = urlsplit(service.url)
    sent = encoded(DATA, "healthy")
    pieces = (sent[start : start + 7] for start in range(0, len(sent), 7))
    with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)) as client:
        client.request("POST", "/apply", pieces, {"Authorization": service.token}, encode_chunked=True)
        assert json.load(client.getresponse())["results"] == "rows\n2\n2\n"


def test_a_client_that_waits_for_100_continue(service: Service) -> None:
    sent = encoded(DATA, "healthy")
    headers = {"Content-Length": str(len(sent)), "Expect": "100-continue", "Connection": "close"}
    with connection(service) as sock:
        sock.sendall(head(service, "/apply", headers))
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(sent)
        answer = read_all(sock)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["results"] == "rows\n2\n2\n"


def test_curl_with_bearer(service: Service, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_bytes(encoded("a,b\n" + "1,2\n" * 500_000, "healthy"))  # curl says Expect by itself
    command = ["curl", "--silent", "--fail", "--max-time", "60", f"{service.url}/apply"]
    command += ["--header", f"Authorization: Bearer {service.token}", "--data-binary", f"@{tmp_path / 'body.json'}"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert (answer["status"], len(answer["results"])) == ("success", len("rows\n") + 500_000 * 2)


def test_text_outside_ascii_travels_both_ways(service: Service) -> None:
    write_notebook(service.notebooks, "mirror", apply="def apply(model, df, param): return df")
    data = 'ключ,"a ""b"""\nß𝄞,"zwei\nZeilen"\n'
    assert service.fit("mirror", data)["results"] == data
