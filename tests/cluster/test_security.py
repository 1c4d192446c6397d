"""A cluster that is not safe to use is refused before Ray is imported."""

from __future__ import annotations

import contextlib
from importlib import metadata
from pathlib import Path

import pytest

from dltk_runtime.cluster import security
from dltk_runtime.cluster.errors import ClusterUnusable
from dltk_runtime.settings import Settings
from tests.cluster import certificates

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/run/ray"}


@pytest.mark.parametrize(
    ("release", "environ", "closed", "text"),
    [
        (None, TOKEN, True, "Ray is not installed here"),
        ("2.51.3", TOKEN, True, "Ray 2.51.3 knows no tokens"),
        ("2.60.0", {}, True, "set RAY_AUTH_MODE=token"),
        ("2.60.0", TOKEN | {"RAY_AUTH_TOKEN": "x"}, True, "notebooks could read RAY_AUTH_TOKEN"),
        ("2.60.0", TOKEN, False, "Ray encrypts nothing"),
        ("2.60.0", TOKEN, True, ""),
        ("2.60.0", TOKEN | {"RAY_USE_TLS": "1"}, False, "RAY_TLS_SERVER_CERT and RAY_TLS_SERVER_KEY and RAY_TLS_CA"),
        ("2.60.0", TOKEN | {"RAY_USE_TLS": "true"}, True, "RAY_USE_TLS=1 needs"),
    ],
)
def test_a_cluster_that_is_not_safe_is_refused(
    release: str | None, environ: dict[str, str], closed: bool, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if release is None:
            raise metadata.PackageNotFoundError(name)
        return release

    monkeypatch.setattr(metadata, "version", version)
    settings = Settings(cluster="head:6379", cluster_closed=closed)
    refused = pytest.raises(ClusterUnusable, match=text) if text else contextlib.nullcontext()
    with refused:
        security.check(settings, environ)


@pytest.mark.parametrize(
    ("spoilt", "text"),
    [
        ("", ""),
        ("RAY_TLS_CA_CERT", "RAY_TLS_CA_CERT=.* cannot be read as PEM"),
        ("RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_CERT and RAY_TLS_SERVER_KEY have to be PEM files"),
        ("RAY_TLS_SERVER_KEY", "RAY_TLS_SERVER_CERT and RAY_TLS_SERVER_KEY have to be PEM files"),
    ],
)
@pytest.mark.parametrize("how", ["other", "gone"])
def test_the_files_of_tls_are_read_before_ray_is(
    spoilt: str, text: str, how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "2.60.0")
    files = certificates.variables(tmp_path)
    if spoilt and how == "gone":
        Path(files[spoilt]).unlink()
    elif spoilt:
        Path(files[spoilt]).write_text("no PEM")
    refused = pytest.raises(ClusterUnusable, match=text) if text else contextlib.nullcontext()
    with refused:
        security.check(Settings(cluster="head:6379"), TOKEN | files)
