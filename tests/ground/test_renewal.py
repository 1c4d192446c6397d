"""A certificate that changes is served from then on, and one that cannot be served never is."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from pathlib import Path

import pytest

from dltk_runtime import renewal, tls
from dltk_runtime.renewal import Renewal
from dltk_runtime.settings import Settings
from tests.support.service import until

Pair = tuple[Path, Path]


def make_pair(home: Path) -> Pair:
    return tls.certificate(Settings(api_token="t", home=home))


def replace(pair: Pair, *, cert: bytes | None = None, key: bytes | None = None) -> None:
    """Put new content in place as platforms do: each file in one step."""
    for path, content in zip(pair, (cert, key), strict=True):
        if content is not None:
            path.with_suffix(".new").write_bytes(content)
            path.with_suffix(".new").replace(path)


def served(context: ssl.SSLContext) -> bytes:
    """The certificate that a new connection gets, in DER form."""
    client_side, server_side = socket.socketpair()
    client_side.settimeout(10)
    server_side.settimeout(10)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE

    def answer() -> None:
        with context.wrap_socket(server_side, server_side=True):
            pass

    thread = threading.Thread(target=answer)
    thread.start()
    with client.wrap_socket(client_side) as connection:
        certificate = connection.getpeercert(binary_form=True)
    thread.join()
    assert certificate
    return certificate


def der(cert: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(cert.read_text())


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path / "mounted")


@pytest.fixture
def other(tmp_path: Path) -> tuple[bytes, bytes]:
    cert, key = make_pair(tmp_path / "other")
    return cert.read_bytes(), key.read_bytes()


@pytest.fixture
def context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


def test_a_new_pair_is_served_to_new_connections(
    pair: Pair, other: tuple[bytes, bytes], context: ssl.SSLContext
) -> None:
    watch = Renewal(context, *pair)
    assert watch.look() is False
    replace(pair, cert=other[0], key=other[1])
    assert watch.look() is True
    assert served(context) == der(pair[0])
    assert watch.look() is False


def test_half_a_change_waits_for_the_other_half(
    pair: Pair, other: tuple[bytes, bytes], context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    before, watch = served(context), Renewal(context, *pair)
    replace(pair, cert=other[0])
    with caplog.at_level(logging.WARNING):
        assert watch.look() is False
        assert watch.look() is False
    assert [record.message for record in caplog.records] == ["certificate not renewed"]
    assert served(context) == before
    replace(pair, key=other[1])
    assert watch.look() is True
    assert served(context) == der(pair[0]) != before


@pytest.mark.parametrize("broken", [b"", b"no certificate"])
def test_what_is_no_certificate_is_not_served(pair: Pair, context: ssl.SSLContext, broken: bytes) -> None:
    before, watch = served(context), Renewal(context, *pair)
    replace(pair, cert=broken)
    assert watch.look() is False
    assert served(context) == before


def test_files_that_go_leave_the_last_pair_in_service(pair: Pair, context: ssl.SSLContext) -> None:
    before, watch = served(context), Renewal(context, *pair)
    pair[1].unlink()
    assert watch.look() is False
    assert served(context) == before


def test_it_looks_by_itself(
    pair: Pair, other: tuple[bytes, bytes], context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "CHECK_SECONDS", 0.01)
    watch = Renewal(context, *pair)
    replace(pair, cert=other[0], key=other[1])

    async def run() -> None:
        task = asyncio.create_task(watch.run())
        await asyncio.to_thread(until, lambda: served(context) == der(pair[0]))
        task.cancel()

    asyncio.run(run())
