"""How a server begins and ends: what it still answers, how long it waits, and its exit code."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process

ROWS = "x\n1\n2\n"
LONG = "600"  # seconds: longer than any test may take, so that nothing but a second signal ends the server
STUCK = """
    def fit(model, df, param):
        import time
        open(param["options"]["params"]["began"], "w").close()
        time.sleep(600)
"""


def readiness(service: Service) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(service.url + "/readyz", timeout=60) as answer:
            return answer.status, json.loads(answer.read())["status"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["status"]


def refuses(service: Service) -> bool:
    address = urlsplit(service.url)
    with contextlib.closing(socket.socket()) as sock:
        return sock.connect_ex((str(address.hostname), int(address.port or 0))) != 0


def fit_until_it_is_cut_off(service: Service, began: Path) -> None:
    """Fit; at the end of the server there is an answer, or none."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        service.fit("stuck", ROWS, began=str(began))


def closes_after_its_answer(service: Service) -> bool:
    address = urlsplit(service.url)
    with contextlib.closing(http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)) as kept:
        kept.request("GET", "/livez")
        return kept.getresponse().headers["Connection"] == "close"


def test_after_sigterm_readyz_is_503_and_new_requests_are_answered_for_the_drain(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("algo")
    with Service(paths.home, paths.notebooks, DLTK_DRAIN=LONG, DLTK_GRACE=LONG) as service:
        process = service.process
        assert process is not None
        assert readiness(service) == (200, "ok")
        process.send_signal(signal.SIGTERM)
        until(lambda: readiness(service) == (503, "stopping"))
        assert service.status_of("/livez") == 200
        assert service.fit("algo", ROWS)["status"] == "success"
        assert service.apply("algo", ROWS)["status"] == "success"
        until(lambda: closes_after_its_answer(service))  # uvicorn renews its headers once a second
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)  # a second one ends at once
        assert process.wait(60) == 0


def test_the_port_closes_when_the_drain_is_over_and_fits_have_the_rest_of_the_grace(
    paths: Paths, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    make_notebook("stuck", fit=STUCK)
    began = tmp_path / "began"
    with Service(paths.home, paths.notebooks, DLTK_DRAIN="0.2", DLTK_GRACE=LONG) as service:
        process = service.process
        assert process is not None
        fit = threading.Thread(target=fit_until_it_is_cut_off, args=(service, began))
        fit.start()
        until(began.exists)
        process.send_signal(signal.SIGTERM)
        until(lambda: refuses(service))
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        fit.join(60)
        assert not fit.is_alive()


def test_a_second_signal_ends_at_once_also_while_only_asynchronous_fits_run(
    paths: Paths, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    make_notebook("stuck", fit=STUCK)
    began = tmp_path / "began"
    with Service(paths.home, paths.notebooks, DLTK_GRACE=LONG) as service:
        process = service.process
        assert process is not None
        assert service.fit("stuck", ROWS, mode="async", began=str(began))["status"] == "submitted"
        until(began.exists)
        workers = service.workers()
        process.send_signal(signal.SIGTERM)
        until(lambda: refuses(service))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_sigint_closes_the_port_without_a_drain(paths: Paths) -> None:
    with Service(paths.home, paths.notebooks, DLTK_DRAIN=LONG, DLTK_GRACE=LONG) as service:
        assert service.stop(signal.SIGINT) == 0


# ---------------------------------------------------------------- exit codes


def serve(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a ``dltk serve`` that ends by itself."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("DLTK_", "api_", "API_"))}
    command = [sys.executable, "-m", "dltk_runtime.cli", "serve", "--port", "0", "--home", str(folder / "home")]
    (folder / "notebooks").mkdir(exist_ok=True)
    command += ["--notebooks", str(folder / "notebooks"), *options]
    environ = kept | {"api_token": "s3cret"} | variables
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)


def file_as_home(folder: Path) -> dict[str, str]:
    (folder / "home").write_text("not a folder: it cannot be written, not even by root")
    return {}


def bad_certificate(folder: Path) -> dict[str, str]:
    (folder / "cert.pem").write_text("no certificate")
    return {"ENABLE_HTTPS": "true", "API_SSL_CERT": str(folder / "cert.pem"), "API_SSL_KEY": str(folder / "cert.pem")}


def foreign_address(_: Path) -> dict[str, str]:
    return {"DLTK_HOST": "192.0.2.1", "ENABLE_HTTPS": "true"}  # of the documentation's own network (RFC 5737)


REFUSALS: dict[str, tuple[int, Callable[[Path], dict[str, str]]]] = {
    "a home that cannot be written": (73, file_as_home),
    "no token": (78, lambda _: {"api_token": ""}),
    "a setting that is invalid": (78, lambda _: {"DLTK_GRACE": "soon"}),
    "a certificate that is none": (78, bad_certificate),
    "an address of another machine": (69, foreign_address),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_server_that_cannot_start_says_why_in_one_line_and_by_its_exit_code(case: str, tmp_path: Path) -> None:
    code, spoil = REFUSALS[case]
    run = serve(tmp_path, **spoil(tmp_path))
    assert (run.returncode, run.stdout) == (code, "")
    (line,) = run.stderr.splitlines()
    assert line.startswith("dltk: ")
    assert "s3cret" not in line


def test_a_port_that_is_taken_is_69(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = serve(tmp_path, "--port", str(taken.getsockname()[1]))
    assert run.returncode == 69
    assert "Traceback" not in run.stderr


def test_a_fault_at_the_start_is_1_with_its_traceback(tmp_path: Path) -> None:
    broken = (
        "from dltk_runtime import cli; from dltk_runtime.pool.pool import Pool\n"
        "async def start(self): raise RuntimeError('a fault')\n"
        "Pool.start = start; cli.main()"
    )
    command = [sys.executable, "-c", broken, "serve", "--port", "0", "--home", str(tmp_path / "home")]
    environ = os.environ | {"api_token": "t", "DLTK_NOTEBOOKS": str(tmp_path / "notebooks")}
    run = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert "RuntimeError: a fault" in run.stderr
