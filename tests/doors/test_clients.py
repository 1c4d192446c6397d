"""Unmodified clients of other projects, over TLS with the token, score as Splunk's apply does, bit for bit.

They live in an environment of their own (``make clients``), since kserve wants an older pandas than ours.
"""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_notebook
from tests.doors import world
from tests.doors.world import FLOWERS, WORDS
from tests.support.service import ROOT, Service

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not PYTHON.exists(), reason="no clients: make clients"),
]
OF_NUMBERS = ("pyarrow", "polars", "triton_columns", "triton_matrix", "triton_json", "kserve", "mcp")
OF_TEXTS = ("pyarrow", "polars", "triton_columns", "triton_json", "kserve", "mcp")
MLFLOW = "mlflow"


class TlsService(Service):
    """A server with TLS, whose certificate its client trusts."""

    @property
    def certificate(self) -> Path:
        return self.home / "tls" / "server.crt"

    def send(self, path: str, body: bytes | None, timeout: float = 200, token: str | None = None) -> bytes:
        request = urllib.request.Request(self.url + path, data=body, headers={"Authorization": self.token})
        context = ssl.create_default_context(cafile=str(self.certificate))
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            return bytes(answer.read())


@contextmanager
def forwarder(service: TlsService, query: str) -> Iterator[tuple[str, int]]:
    """Pass plain requests on to the server with the token, over TLS; yields host and port."""
    context = ssl.create_default_context(cafile=str(service.certificate))

    class Forward(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._forward(None)

        def do_POST(self) -> None:
            self._forward(self.rfile.read(int(self.headers["Content-Length"])))

        def _forward(self, body: bytes | None) -> None:
            request = urllib.request.Request(service.url + self.path + (query if body else ""), body)
            request.add_header("Authorization", service.token)
            request.add_header("Content-Type", self.headers.get("Content-Type", "text/plain"))
            try:
                answer = urllib.request.urlopen(request, context=context)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                self.send_response(answer.status)
                self.end_headers()
                self.wfile.write(answer.read())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield "127.0.0.1", server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, processes: None) -> Iterator[TlsService]:
    root = tmp_path_factory.mktemp("clients")
    for name, cells in world.NOTEBOOKS.items():
        write_notebook(root / "notebooks", name, **cells)
    variables = {"ENABLE_HTTPS": "true", "DLTK_SCORING_MODEL": "iris/m", "DLTK_MCP": "true"}
    with TlsService(root / "home", root / "notebooks", **variables) as running:
        for fit in world.FITS:
            assert running.fit(*fit)["status"] == "success"
        yield running


Scored = dict[str, dict[str, Any]]  # by model and client: the columns that it got


@pytest.fixture(scope="module")
def scored(service: TlsService) -> Scored:
    """What each client got; MLflow's, which is in our own environment, through a forwarder."""
    with forwarder(service, "") as numbers, forwarder(service, "?model=words%20of%20it.m") as texts:
        asked = [
            {"model": "iris.m", "columns": FLOWERS.to_dict("list"), "clients": OF_NUMBERS, "forwarder": numbers},
            {"model": "words of it.m", "columns": WORDS.to_dict("list"), "clients": OF_TEXTS, "forwarder": texts},
        ]
        known = {"url": service.url, "certificate": str(service.certificate), "token": service.token}
        found = run(PYTHON, [each | known for each in asked])
        for model, columns in run(sys.executable, [each | known | {"clients": [MLFLOW]} for each in asked]).items():
            found[model] |= columns
        return found


def run(python: str | Path, asked: list[dict[str, Any]]) -> Scored:
    done = subprocess.run(
        [python, Path(__file__).parent / "clients.py"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("client", [*OF_NUMBERS, MLFLOW])
def test_numbers_are_scored_as_splunks_apply_scores_them(service: TlsService, scored: Scored, client: str) -> None:
    assert scored["iris.m"][client] == world.splunks(service, "iris", FLOWERS).to_dict("list")


@pytest.mark.parametrize("client", [*OF_TEXTS, MLFLOW])
def test_texts_are_scored_as_splunks_apply_scores_them(service: TlsService, scored: Scored, client: str) -> None:
    assert scored["words of it.m"][client] == world.splunks(service, "words of it", WORDS).to_dict("list")
