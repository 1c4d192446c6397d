"""TLS: a certificate of the home's own or a given one; and a server that cannot serve safely says why and ends."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from cryptography import x509

from dltk_runtime import tls
from dltk_runtime.doctor import local
from dltk_runtime.errors import SettingInvalid
from dltk_runtime.server import serve as serving
from dltk_runtime.server.splunk_routes import alive
from dltk_runtime.settings import Settings
from dltk_runtime.tls import CertificateInvalid
from tests.support.service import Service

pytestmark = pytest.mark.process


def settings(home: Path, cert: Path | None = None, key: Path | None = None, host: str = "127.0.0.1") -> Settings:
    return Settings(api_token="t", home=home, tls_cert=cert, tls_key=key, host=host)


def serve(tmp_path: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A ``dltk serve`` that is to end by itself."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("DLTK_", "api_", "API_"))}
    command = [sys.executable, "-m", "dltk_runtime.cli", "serve", "--port", "0", "--home", str(tmp_path / "home")]
    command += ["--notebooks", str(tmp_path), *options]
    environ |= {"api_token": "s3cret"} | variables
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def only_line(run: subprocess.CompletedProcess[str]) -> str:
    """The one line that a server which could not start has left."""
    assert run.returncode != 0
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith("dltk: ")
    assert "s3cret" not in line
    return line


# ---------------------------------------------------------------- the home's own pair


def test_the_certificate_has_the_names_of_the_setting_and_the_doctor_misses_those_that_came_later(
    tmp_path: Path,
) -> None:
    named = Settings.from_env(
        {"DLTK_HOME": str(tmp_path), "DLTK_TLS_NAMES": "dltk.example.com, 10.0.0.7,*.apps.example"}
    )
    cert, _ = tls.certificate(named)
    assert {"dltk.example.com", "10.0.0.7", "*.apps.example", "localhost"} <= set(tls.names_in(cert))
    assert [each.severity for each in local.certificate(named)] == ["ok"]
    for names, lacking in (
        (("DLTK.example.com", "one.apps.example"), ""),
        (("other.example.com", "10.0.0.8"), "other"),
    ):
        found = [each for each in local.certificate(replace(named, tls_names=names)) if each.severity == "error"]
        assert bool(found) == bool(lacking)
        assert all("is not for other.example.com, 10.0.0.8, which DLTK_TLS_NAMES has" in each.text for each in found)


@pytest.mark.parametrize("names", ["a b", "https://a", "a:5000", "-a", "a/b", "*"])
def test_what_is_no_name_of_a_host_is_refused(names: str) -> None:
    with pytest.raises(SettingInvalid, match="host names or addresses"):
        Settings.from_env({"DLTK_TLS_NAMES": names})


def test_a_pair_is_made_once_and_its_key_is_for_the_owner_alone(tmp_path: Path) -> None:
    cert, key = tls.certificate(settings(tmp_path / "home"))
    before = (cert.read_bytes(), key.read_bytes())
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(cert.stat().st_mode) == 0o640
    assert tls.certificate(settings(tmp_path / "home")) == (cert, key)
    assert (cert.read_bytes(), key.read_bytes()) == before
    assert [path.name for path in cert.parent.parent.iterdir()] == [tls.FOLDER]


def test_another_home_has_another_key(tmp_path: Path) -> None:
    pairs = [tls.certificate(settings(tmp_path / home)) for home in ("one", "two")]
    assert pairs[0][1].read_bytes() != pairs[1][1].read_bytes()


def test_a_certificate_names_what_clients_call_this_machine(tmp_path: Path) -> None:
    cert, _ = tls.certificate(settings(tmp_path, host="192.0.2.7"))
    parsed = x509.load_pem_x509_certificate(cert.read_bytes())
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(each) for each in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1", "192.0.2.7"}
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", socket.gethostname()}
    assert (parsed.not_valid_after_utc - parsed.not_valid_before_utc).days > 3000


def test_of_two_servers_that_start_together_both_use_the_pair_that_was_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = tls._self_signed

    def slower(host: str) -> tuple[bytes, bytes]:
        monkeypatch.setattr(tls, "_self_signed", make)
        tls.certificate(settings(tmp_path))  # the other server's start, in between
        return make(host)

    monkeypatch.setattr(tls, "_self_signed", slower)
    cert, key = tls.certificate(settings(tmp_path))
    assert tls.certificate(settings(tmp_path)) == (cert, key)
    assert [path.name for path in tmp_path.iterdir()] == [tls.FOLDER]


def test_a_pair_that_lost_a_file_is_not_replaced_in_silence(tmp_path: Path) -> None:
    _, key = tls.certificate(settings(tmp_path))
    key.unlink()
    with pytest.raises(CertificateInvalid, match=r"No such file .*server\.key.* Remove the folder .*tls"):
        tls.certificate(settings(tmp_path))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_client_that_trusts_the_certificate_connects_also_after_a_restart(tmp_path: Path, host: str) -> None:
    (tmp_path / "notebooks").mkdir()
    with Service(tmp_path / "home", tmp_path / "notebooks", ENABLE_HTTPS="true", DLTK_SPARES="0") as service:
        cert = tmp_path / "home" / "tls" / "server.crt"
        context = ssl.create_default_context(cafile=str(cert))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        for _ in range(2):
            assert status(service, context, host) == 200
            service.restart()
        with pytest.raises(ssl.SSLCertVerificationError):
            status(service, ssl.create_default_context(), host)
        assert service.url.startswith("https://")


def status(service: Service, context: ssl.SSLContext, host: str) -> int:
    port = urlsplit(service.url).port
    with closing(http.client.HTTPSConnection(host, port, context=context, timeout=60)) as client:
        client.request("GET", "/summary", headers={"Authorization": service.token})
        return client.getresponse().status


def test_plain_http_to_a_tls_port_ends_the_connection(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    with Service(tmp_path / "home", tmp_path / "notebooks", ENABLE_HTTPS="true", DLTK_SPARES="0") as service:
        with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(service.url).port, timeout=60)) as client:
            client.request("GET", "/livez")
            with pytest.raises((http.client.HTTPException, ConnectionError)):
                client.getresponse()
        context = ssl.create_default_context(cafile=str(tmp_path / "home" / "tls" / "server.crt"))
        assert status(service, context, "localhost") == 200


# ---------------------------------------------------------------- a given pair


def given_pair(folder: Path) -> tuple[Path, Path]:
    return tls.certificate(settings(folder))


def test_a_given_pair_is_used(tmp_path: Path) -> None:
    cert, key = given_pair(tmp_path / "given")
    (tmp_path / "notebooks").mkdir()
    variables = {"ENABLE_HTTPS": "true", "API_SSL_CERT": str(cert), "API_SSL_KEY": str(key), "DLTK_SPARES": "0"}
    with Service(tmp_path / "home", tmp_path / "notebooks", **variables) as service:
        assert status(service, ssl.create_default_context(cafile=str(cert)), "localhost") == 200
        assert not (tmp_path / "home" / "tls").exists()


def test_a_pair_that_cannot_be_used_is_refused_with_what_is_wrong(tmp_path: Path) -> None:
    cert, key = given_pair(tmp_path / "given")
    _, other = given_pair(tmp_path / "other")
    text = tmp_path / "text.pem"
    text.write_text("no PEM")
    for given_cert, given_key, words in (
        (cert, other, "KEY_VALUES_MISMATCH"),
        (cert, None, "only one of the two is set"),
        (None, key, "only one of the two is set"),
        (tmp_path / "missing.crt", key, r"No such file or directory: '.*missing\.crt'"),
        (cert, tmp_path / "missing.key", r"No such file or directory: '.*missing\.key'"),
        (cert, tmp_path, "Is a directory"),
        (text, key, "PEM"),
        (cert, text, "PEM"),
        (cert, cert, "PEM"),
        (cert, encrypted(key, tmp_path), "the key needs a passphrase"),
    ):
        with pytest.raises(CertificateInvalid, match=words) as caught:
            tls.certificate(settings(tmp_path / "home", given_cert, given_key))
        assert "API_SSL_CERT and API_SSL_KEY" in caught.value.sentence


def encrypted(key: Path, folder: Path) -> Path:
    from cryptography.hazmat.primitives import serialization as pem

    private = pem.load_pem_private_key(key.read_bytes(), password=None)
    locked = pem.BestAvailableEncryption(b"passphrase")
    path = folder / "encrypted.key"
    path.write_bytes(private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, locked))
    return path


def test_a_server_whose_pair_does_not_match_does_not_start(tmp_path: Path) -> None:
    cert, _ = given_pair(tmp_path / "given")
    _, other = given_pair(tmp_path / "other")
    line = only_line(serve(tmp_path, ENABLE_HTTPS="true", API_SSL_CERT=str(cert), API_SSL_KEY=str(other)))
    assert str(cert) in line
    assert str(other) in line
    assert "MISMATCH" in line


def test_a_server_whose_certificate_is_missing_does_not_start(tmp_path: Path) -> None:
    line = only_line(serve(tmp_path, ENABLE_HTTPS="true", API_SSL_CERT="/no/such.crt", API_SSL_KEY="/no/such.key"))
    assert "/no/such.crt" in line


# ---------------------------------------------------------------- servers that do not start


def test_without_a_token_a_server_does_not_start_and_says_how_to_make_one(tmp_path: Path) -> None:
    line = only_line(serve(tmp_path, api_token=""))
    assert "api_token is not set" in line
    assert "export api_token=$(python3 -c" in line


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_plain_http_for_other_machines_is_refused_unless_it_is_chosen(tmp_path: Path, host: str) -> None:
    line = only_line(serve(tmp_path, "--host", host))
    assert "ENABLE_HTTPS=true" in line
    assert "ENABLE_HTTPS=false" in line


def test_plain_http_for_other_machines_can_be_chosen(tmp_path: Path) -> None:
    variables = {"DLTK_HOST": "0.0.0.0", "ENABLE_HTTPS": "false", "DLTK_SPARES": "0"}
    with Service(tmp_path / "home", tmp_path, **variables) as service:
        assert service.url.startswith("http://0.0.0.0:")
        assert service.status_of("/livez") == 200


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = only_line(serve(tmp_path, "--port", str(port)))
    assert f"127.0.0.1:{port}" in line
    assert "Address already in use" in line
    assert "--port" in line


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    line = only_line(serve(tmp_path, "--host", "192.0.2.1", ENABLE_HTTPS="false"))
    assert "192.0.2.1" in line


def test_an_unusable_setting_is_named(tmp_path: Path) -> None:
    line = only_line(serve(tmp_path, DLTK_MAX_BODY="lots"))
    assert "Invalid DLTK_MAX_BODY='lots': expected a size such as 512M" in line


def test_the_token_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    with Service(tmp_path / "home", tmp_path, api_token="", api_token_file=str(file), DLTK_SPARES="0") as service:
        assert service.status_of("/summary", token="Bearer from-a-file") == 200
        assert service.status_of("/summary", token=str(file)) == 401
    assert "expected a file that can be read" in only_line(
        serve(tmp_path, api_token="", api_token_file=str(tmp_path / "missing"))
    )


def test_a_server_that_is_told_to_stop_ends_with_0_and_answers_no_more(tmp_path: Path) -> None:
    service = Service(tmp_path / "home", tmp_path, DLTK_SPARES="0")
    service.start()
    port = urlsplit(service.url).port
    assert service.stop() == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    assert "Traceback" not in service.log.read_text()


def test_no_old_protocol_and_no_weak_cipher_is_spoken(tmp_path: Path) -> None:
    config = uvicorn.Config(alive, log_config=None)
    serving._load_certificate(config, settings(tmp_path))
    assert config.ssl is not None
    assert config.ssl.minimum_version >= ssl.TLSVersion.TLSv1_2
    weak = ("RC4", "DES", "NULL", "EXP", "MD5", "ADH", "AECDH", "SEED", "IDEA")
    names = [each["name"] for each in config.ssl.get_ciphers()]
    assert [name for name in names if any(part in name for part in weak)] == []
    assert {each["strength_bits"] >= 128 for each in config.ssl.get_ciphers()} == {True}


def test_the_end_of_a_handshake_is_answered_at_once_by_one_ticket(tmp_path: Path) -> None:
    # A client without TCP_NODELAY holds its request back until its part of the handshake is acknowledged, and a server
    # that has nothing to send acknowledges 40 ms later (Linux' TCP_DELACK_MIN).
    config = uvicorn.Config(alive, log_config=None)
    serving._load_certificate(config, settings(tmp_path))
    assert config.ssl is not None
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = config.ssl.wrap_bio(to_server, to_client, server_side=True)
    client = tls.client_context(verify=False).wrap_bio(to_client, to_server)
    for each in (client, server, client):  # hello, hello, finished
        with contextlib.suppress(ssl.SSLWantReadError):
            each.do_handshake()
    assert to_client.pending == 0
    server.do_handshake()
    assert to_client.pending > 0
    assert config.ssl.num_tickets == 1  # the fewest that are anything at all
    server.write(b"answer")
    assert client.read(64) == b"answer"
    assert client.version() == "TLSv1.3"
