"""Invalid settings end the container at once, with one line and a documented exit code."""

from __future__ import annotations

from pathlib import Path

import certificates
import pytest
from conftest import Start

from container import HARDENED


def refusal(log: str) -> str:
    """Return the single error line of a container that did not start."""
    lines = [line for line in log.splitlines() if line.startswith("dltk: ")]
    notes = ("dltk: shipped notebooks", "dltk: starting", "dltk: the API")
    (line,) = [line for line in lines if not line.startswith(notes)]
    assert "Traceback" not in log
    return line


def test_no_token(start: Start) -> None:
    container = start(env={"api_token": ""})
    assert container.exit_code() == 78
    assert "api_token is not set" in refusal(container.logs())


def test_a_token_file_that_is_not_there(start: Start) -> None:
    container = start(env={"api_token": "", "api_token_file": "/run/secrets/token"})
    assert container.exit_code() == 78
    assert "Invalid api_token_file='/run/secrets/token': " in refusal(container.logs())


WRONG = [("ENABLE_HTTPS", "perhaps"), ("MODE_DEV_PROD", "TEST"), ("JUPYTER_PASSWD", "plain"), ("api_workers", "0")]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_that_is_none(start: Start, name: str, value: str) -> None:
    container = start(env={name: value})
    assert container.exit_code() == 78
    shown = "***" if name == "JUPYTER_PASSWD" else value
    assert f"Invalid {name}='{shown}': " in refusal(container.logs())


def test_a_certificate_that_is_not_there(start: Start) -> None:
    container = start(env={"API_SSL_CERT": "/srv/no.crt", "API_SSL_KEY": "/srv/no.key"})
    assert container.exit_code() == 78
    assert "Invalid TLS certificate /srv/no.crt" in refusal(container.logs())


def test_a_certificate_with_the_key_of_another(start: Start, mounted: Path) -> None:
    for name in ("one", "two"):
        certificates.make(mounted, name, name)
    mount = (f"--volume={mounted}:/certificate:ro",)
    env = {"API_SSL_CERT": "/certificate/one.crt", "API_SSL_KEY": "/certificate/two.key"}
    container = start(env=env, options=(*HARDENED, *mount))
    assert container.exit_code() == 78
    assert ": KEY_VALUES_MISMATCH. " in refusal(container.logs())


def test_a_volume_that_cannot_be_written(start: Start, volume: str) -> None:
    container = start(options=(*HARDENED, f"--volume={volume}:/srv:ro"))
    assert container.exit_code() == 73
    assert "cannot be written by user 1000620000, group 0" in refusal(container.logs())


def test_a_volume_that_is_full(start: Start) -> None:
    container = start(options=(*HARDENED, "--tmpfs", "/srv:rw,size=64k,mode=1777"))
    assert container.exit_code() == 74
    assert "is full" in refusal(container.logs())


def test_a_port_that_is_taken(start: Start) -> None:
    first = start()
    first.ready()
    second = start(options=(*HARDENED, "--network", f"container:{first.name}"), publish=())
    assert second.exit_code() == 69
    assert "Cannot listen on 0.0.0.0:5000: Address already in use" in refusal(second.logs())
    assert first.status("/readyz") == 200
