"""What keeps others out of a Ray cluster: TLS with certificates of the operator, and the token."""

from __future__ import annotations

import json
import secrets
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import certificates
from tests.cluster.notebooks import write
from tests.cluster.plain_ray import PlainRay
from tests.cluster.ray_cluster import NEEDS_RAY
from tests.support.service import Service, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(600), NEEDS_RAY]

DATA = "a,b\n1,2\n3,4\n"
PATIENCE = 180  # seconds, on a machine with other work
# Tells where it ran, and which of Ray's secrets it knows the place of.
THERE = """
    def fit(model, df, param):
        import os
        model["rows"] = len(df)
        print("node", os.environ["DLTK_HOME"].rsplit("/", 1)[-1])
        print("secrets", [name for name in os.environ if name.startswith(("RAY_AUTH_TOKEN", "RAY_TLS_SERVER_KEY"))])
"""


def token(folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(secrets.token_hex(20))
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token")}


def machines(service: Service) -> dict[str, Any]:
    return dict(json.loads(service.send("/v1/cluster", None)))


def refusal_of(service: Service, name: str) -> str:
    """Why no fit runs on a node; waits until the front has seen it."""

    def seen() -> list[dict[str, Any]]:
        return [each for each in machines(service)["nodes"] if each["name"] == name]

    return str(until(seen, PATIENCE)[0]["refused"])


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    write(tmp_path / "notebooks", "there", "label=name=a", fit=THERE)
    return tmp_path / "notebooks"


@pytest.fixture
def encrypted(tmp_path: Path, processes: None) -> Iterator[PlainRay]:
    """A cluster with TLS: a head, and a node `a`."""
    files = certificates.variables(tmp_path / "tls")
    with PlainRay(tmp_path / "ray", files | token(tmp_path)) as ray:
        ray.head()
        ray.node("a")
        yield ray


def test_a_fit_runs_over_rays_tls_and_its_notebook_gets_no_key(encrypted: PlainRay, notebooks: Path) -> None:
    """Nothing says that the network is closed. Without TLS of the cluster's authority nobody gets an answer."""
    variables = encrypted.variables | {"DLTK_CLUSTER": encrypted.address}
    with Service(notebooks.parent / "home", notebooks, DLTK_GPUS="none", **variables) as service:
        assert refusal_of(service, "a") == ""
        answer = service.fit("there", DATA)
        assert answer["status"] == "success", answer
        assert service.job_log() == "This fit runs on node 'a'.\nnode a\nsecrets []\n"
    host, _, port = encrypted.address.rpartition(":")
    trusted = ssl.create_default_context(cafile=variables["RAY_TLS_CA_CERT"])
    with socket.create_connection((host, int(port))) as plain, trusted.wrap_socket(plain, server_hostname=host) as tls:
        assert "node" in str(tls.getpeercert())
    with socket.create_connection((host, int(port))) as plain, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def test_a_node_that_asks_for_no_token_runs_no_fit(tmp_path: Path, notebooks: Path, processes: None) -> None:
    with PlainRay(tmp_path / "ray", {"RAY_AUTH_MODE": "disabled"}) as ray:
        ray.head()
        ray.node("a")
        variables = ray.variables | token(tmp_path) | {"DLTK_CLUSTER": ray.address, "DLTK_CLUSTER_CLOSED": "true"}
        with Service(tmp_path / "home", notebooks, DLTK_GPUS="none", **variables) as service:
            assert refusal_of(service, "a") == "Ray asks for no token there: start it with RAY_AUTH_MODE=token"
            answer = service.fit("there", DATA)
            assert (
                "asks for the label 'name=a', which no machine here has (this machine, a: Ray asks" in answer["message"]
            )
