"""The examples under deploy/splunk and the Dockerfile, against what the clients read (protocol 3 and 6)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.aitk.codec import ToolkitError
from tests.aitk.starts import PORTS, docker_run, exposed
from tests.aitk.toolkit import Toolkit, read_conf
from tests.support.service import ROOT

EXAMPLES = ROOT / "deploy" / "splunk"
KINDS = (("cpu", "none"), ("gpu", "none"), ("gpu", "nvidia"))  # images and their runtimes
# What each client reads of its files; `dsdl_container.conf` and `container_connections.conf` by the toolkit,
# the other two by the DSDL app.
KEYS = {
    "dsdl_container.conf": {
        "api_url",
        "api_url_external",
        "cluster",
        "id",
        "mode",
        "status",
        "jupyter_url",
        "tensorboard_url",
        "mlflow_url",
        "spark_url",
    },
    "container_connections.conf": {
        "in_cluster_mode",
        "endpoint_cert_check_hostname",
        "endpoint_cert_filename_or_path",
    },
    "docker_images.conf": {"title", "image", "repo", "runtime"},
    "containers.conf": {
        "api_url",
        "api_url_external",
        "jupyter_url",
        "tensorboard_url",
        "mlflow_url",
        "cluster",
        "id",
        "image",
        "runtime",
        "mode",
    },
    "images.conf": {"title", "image", "repo", "runtime", "short_name"},
}


def app_of(folder: Path, *names: str) -> Path:
    """An app's folder with these examples in ``local``."""
    (folder / "local").mkdir(parents=True)
    for name in names:
        shutil.copy(EXAMPLES / name, folder / "local")
    return folder


@pytest.mark.parametrize("name", sorted(KEYS))
def test_an_example_has_the_keys_that_its_client_reads(name: str) -> None:
    conf = read_conf(EXAMPLES / name)
    assert conf.sections()
    for section in conf.sections():
        assert set(conf[section]) == KEYS[name], section


def test_every_example_is_checked() -> None:
    assert {path.name for path in EXAMPLES.glob("*.conf")} == set(KEYS)


def test_the_toolkit_finds_the_container_of_the_examples(tmp_path: Path) -> None:
    app = app_of(tmp_path / "app", "dsdl_container.conf", "container_connections.conf")
    address = Toolkit(app, {}, "").address("any")
    assert address.api_url == "https://dltk.example.com:5000"
    assert (address.check_hostname, address.certificate) == (False, "")


def test_without_the_section_of_the_cluster_the_toolkit_calls_nobody(tmp_path: Path) -> None:
    app = app_of(tmp_path / "app", "dsdl_container.conf")
    with pytest.raises(ToolkitError, match="Missing configuration section for cluster type: docker"):
        Toolkit(app, {}, "").address("any")


def test_the_image_exposes_every_port_that_the_toolkit_waits_for() -> None:
    assert set(PORTS) <= set(exposed((ROOT / "Dockerfile").read_text(encoding="utf-8")))


def test_the_toolkit_runs_the_images_of_the_examples() -> None:
    images = read_conf(EXAMPLES / "docker_images.conf")
    runs = [docker_run(images[f"dltk-{kind}"], "__dev__", "DEV", runtime) for kind, runtime in KINDS]
    assert [(run.image, run.runtime) for run in runs] == [
        ("dltk:cpu", None),
        ("dltk:gpu", None),
        ("dltk:gpu", "nvidia"),
    ]
    assert set(runs[0].ports) == set(PORTS)
    assert docker_run(images["dltk-cpu"], "sums", "DEV").ports == {5000: 0}
    with pytest.raises(ToolkitError, match="not with 'nvidia'"):
        docker_run(images["dltk-cpu"], "__dev__", "DEV", "nvidia")


def test_a_mode_beside_the_parameters_asks_for_the_container_of_all_models(tmp_path: Path) -> None:
    app = app_of(tmp_path / "app", "dsdl_container.conf", "container_connections.conf")
    stanzas = app / "local" / "dsdl_container.conf"
    text = stanzas.read_text()
    stanzas.write_text(text + text.replace("[__dev__]", "[own]").replace("dltk.example.com", "own.example.com"))
    toolkit = Toolkit(app, {}, "")
    assert toolkit.address("own", {"params": {"mode": "stage"}}).api_url == "https://own.example.com:5000"
    assert toolkit.address("own", {"mode": "staging"}).api_url == "https://dltk.example.com:5000"
