"""The HTTP client, against a stand-in that records requests and checks their headers."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dltk_runtime.client.errors import ApiRefused, Unreachable
from dltk_runtime.client.http import Container
from dltk_runtime.client.jobs import JobsClient
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, standin


def test_a_post_carries_what_splunk_sends() -> None:
    with standin() as container:
        container.says("success", "ok")
        reply = Container(container.url + "/", TOKEN).post("/fit", {"data": "é\n", "meta": {"k": "説明"}})
    assert (reply.status, json.loads(reply.body)["message"]) == (200, "ok")
    assert reply.url == container.url + "/fit"
    assert container.requests == [("/fit", {"data": "é\n", "meta": {"k": "説明"}})]


def test_every_status_is_an_answer() -> None:
    with standin() as container:
        assert Container(container.url, "wrong").get("/summary").status == 401
        container.sends(500, b"oops")
        assert Container(container.url, TOKEN).get("/summary").body == b"oops"


def test_a_redirect_is_not_followed_with_the_token() -> None:
    with standin() as container:
        container.sends(307, b"")
        assert Container(container.url, TOKEN).get("/summary").status == 307
        assert [path for path, _ in container.requests] == ["/summary"]


def test_a_proxy_of_the_environment_does_not_get_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with standin() as container:
        assert Container(container.url, TOKEN).get("/summary").status == 200


@pytest.mark.parametrize("url", ["ftp://c", "file:///etc", "localhost:5000", "http://127.0.0.1:99999", "http://[::x"])
def test_an_address_that_cannot_be_one_is_unreachable(url: str) -> None:
    with pytest.raises(Unreachable, match="No answer from the container at "):
        Container(url, TOKEN).get("/summary")


def test_a_closed_port_is_unreachable_with_cause_and_advice() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(Unreachable, match=r"refused.*--url \(or DLTK_URL\)") as caught:
            Container(url, TOKEN).post("/fit", {})
    assert url in str(caught.value)


def test_a_container_that_says_nothing_is_unreachable_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match="timed out"):
            Container(url, TOKEN, timeout=0.05).get("/summary")


def test_a_container_that_hangs_up_is_unreachable() -> None:
    def hang_up(server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=hang_up, args=(server,))
        thread.start()
        with pytest.raises(Unreachable):
            Container(f"http://127.0.0.1:{server.getsockname()[1]}", TOKEN).get("/summary")
        thread.join()


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address and certificate of an HTTPS server with a self-signed certificate; answers ``{}``."""
    certificate = _self_signed(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", certificate
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_is_checked_unless_a_file_vouches_for_it(tls: tuple[str, Path]) -> None:
    url, certificate = tls
    with pytest.raises(Unreachable, match=r"certificate verify failed.*--cafile"):
        Container(url, TOKEN).get("/summary")
    assert Container(url, TOKEN, certificate).get("/summary").body == b"{}"


def test_a_certificate_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"the certificate file .*none\.pem cannot be read"):
        Container("https://127.0.0.1:1", TOKEN, tmp_path / "none.pem").get("/summary")


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "standin.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_the_name_of_a_job_cannot_leave_its_place_in_the_path() -> None:
    with standin() as container:
        container.sends(404, b'{"detail": "No job."}')
        jobs = JobsClient(ClientSettings(container.url, TOKEN))
        for job in ("../summary", "a b", "é?x"):
            with pytest.raises(ApiRefused, match="No job"):
                jobs.get(job)
        assert [path for path, _ in container.requests] == [
            "/v1/jobs/..%2Fsummary",
            "/v1/jobs/a%20b",
            "/v1/jobs/%C3%A9%3Fx",
        ]


@pytest.mark.parametrize(("status", "advised"), [(401, True), (404, False)])
def test_a_refused_token_is_said_with_where_to_give_one(status: int, advised: bool) -> None:
    assert ("--token" in str(ApiRefused("http://c/v1/shadow", status, "This needs the api_token."))) == advised
