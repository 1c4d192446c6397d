"""Stands for Splunk: how the AI Toolkit starts a container on Docker and on Kubernetes.

No image runs here: a process stands for the container. It runs ``container/start.py``, whose last step, the
supervisor, is replaced by a program that runs the API's service alone. Variables, volumes, the wait for ports and the
stanza that is written are those of the toolkit.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.aitk.codec import ToolkitError
from tests.support.service import ROOT, until

PORTS = (5000, 8888, 6006, 6000, 4040)  # each needs a mapping before the toolkit goes on
PUBLISHED = {5000: 5000, 8888: 8888, 6006: 6006, 6000: 6060, 4040: 4040}  # of [__dev__]
VOLUMES = {
    "mltk-container-data": "/srv",
    "mltk-container-app": "/srv/backup/app:ro",
    "mltk-container-notebooks": "/srv/backup/notebooks:ro",
}
# Runs in a process of its own: start.py with another supervisor, which runs one service as s6 runs it.
LAUNCH = """
import runpy, sys
from pathlib import Path
start, scan, supervisor = sys.argv[1:]
made = runpy.run_path(start, run_name="start")
made["main"].__globals__.update(SCAN=Path(scan), SVSCAN=supervisor)
made["main"]()
"""
SUPERVISOR = f"""#!{sys.executable} -I
import runpy

runpy.run_path({str(ROOT / "container" / "launch.py")!r})["main"]("api")
"""


def exposed(dockerfile: str) -> tuple[int, ...]:
    """The ports that an image of this Dockerfile exposes."""
    lines = re.findall(r"^EXPOSE ([\d ]+)$", dockerfile, re.MULTILINE)
    return tuple(int(port) for line in lines for port in line.split())


def variables(token: str, mode: str, *, https: str = "false", **extra: str) -> dict[str, str]:
    """The environment of a container; TLS is off unless the connection says otherwise."""
    return {
        "olly_enabled": "false",
        "splunk_access_enabled": "false",
        "splunk_hec_enabled": "false",
        "ENABLE_HTTPS": https,
        "JUPYTER_PASSWD": "sha1:abcdef012345:0123456789abcdef0123456789abcdef01234567",
        "MODE_DEV_PROD": mode,
        "api_token": token,
    } | extra


def tracing_variables() -> dict[str, str]:
    """What the toolkit sends when tracing is on."""
    return {
        "olly_enabled": "true",
        "OTEL_TRACES_EXPORTER": "jaeger-thrift-splunk",
        "OTEL_EXPORTER_JAEGER_ENDPOINT": "https://ingest.example.com/v2/trace",
        "OTEL_SERVICE_NAME": "dsdl",
        "SPLUNK_ACCESS_TOKEN": "made-up",
    }


def access_variables() -> dict[str, str]:
    """What the toolkit sends when notebooks may use Splunk and its collector."""
    return {
        "splunk_access_enabled": "1",
        "splunk_access_host": "splunk.example.com",
        "splunk_access_port": "8089",
        "splunk_access_token": "made-up-access",
        "splunk_hec_enabled": "true",
        "splunk_hec_url": "https://splunk.example.com:8088",
        "splunk_hec_token": "made-up-collector",
    }


def volumes(srv: Path) -> None:
    """Mount the toolkit's volumes: ``/srv``, and below it ``backup/app`` and ``backup/notebooks``, read-only."""
    for name in ("app", "notebooks"):
        folder = srv / "backup" / name
        folder.mkdir(parents=True)
        (folder / "old.ipynb").write_text("a backup", encoding="utf-8")
        (folder / "old.ipynb").chmod(0o444)
        folder.chmod(0o555)
    (srv / "backup").chmod(0o555)


@dataclass(frozen=True)
class Run:
    """What the toolkit asks Docker to run: the ports by the container's, each with the host's (0: a free one)."""

    image: str
    runtime: str | None
    ports: Mapping[int, int]
    labels: Mapping[str, str]
    volumes: Mapping[str, str]
    remove: bool = True  # once it is stopped


def docker_run(image: Mapping[str, str], model: str, mode: str, runtime: str = "none") -> Run:
    """The run of an image, a stanza of ``docker_images.conf``, for `model`; `runtime` is one of the stanza's."""
    if runtime not in (offered := image["runtime"].split(",")):
        raise ToolkitError(f"{image['title']} runs with {offered}, not with {runtime!r}")
    fixed = mode == "DEV" and model == "__dev__"
    return Run(
        image.get("repo", "") + image["image"],
        None if runtime == "none" else runtime,
        PUBLISHED if fixed else {5000: 0},
        {"mltk_container": "", "mltk_model": model},
        VOLUMES,
    )


@dataclass
class Container:
    """One container: a process with `variables` over the volume `srv`; `number` tells replicas apart."""

    srv: Path
    variables: Mapping[str, str]
    number: int = 0
    ports: dict[int, int] = field(default_factory=dict)  # of the host, by those of the container
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        scheme = "http" if self.variables["ENABLE_HTTPS"] == "false" else "https"
        return f"{scheme}://127.0.0.1:{self.ports[5000]}"

    def start(self, image: str) -> None:
        """Start it, and wait for a mapping of all five ports, as the toolkit does."""
        supervisor = self.srv.parent / f"supervisor{self.number}"
        supervisor.write_text(SUPERVISOR)
        supervisor.chmod(0o755)
        inherited = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        # As the image sets them; the host's port is the container's, as nothing maps it.
        fixed = {"DLTK_HOME": str(self.srv), "DLTK_NOTEBOOKS": str(self.srv / "notebooks"), "DLTK_PORT": "0"}
        fixed |= {"DLTK_HOST": "127.0.0.1", "DLTK_SPARES": "1", "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        command = [sys.executable, "-c", LAUNCH, str(ROOT / "container" / "start.py")]
        command += [str(self.srv.parent / f"scan{self.number}"), str(supervisor)]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command, env={**inherited, **fixed, **self.variables}, stdout=log, stderr=subprocess.STDOUT
            )
        port = until(self._listens, seconds=120)
        self.ports = self._mapped(exposed(image), int(port))

    @property
    def log(self) -> Path:
        """What the container printed."""
        return self.srv.parent / f"log{self.number}"

    def _listens(self) -> str:
        """The API's port once it listens; raises when the container has ended."""
        text = self.log.read_text(encoding="utf-8")
        if found := re.search(r"^listening on \S+:(\d+)$", text, re.MULTILINE):
            return found[1]
        if self.process is None or self.process.poll() is not None:
            raise ToolkitError(f"the container ended: {text}")
        return ""

    def _mapped(self, ports: tuple[int, ...], api: int) -> dict[int, int]:
        """What Docker publishes of an image's ports; the toolkit waits for each of `PORTS`."""
        if missing := [port for port in PORTS if port not in ports]:
            raise ToolkitError(f"waits for ever for a mapping of {missing}")
        return {**{port: PUBLISHED[port] for port in PORTS}, 5000: api}

    def stop(self) -> int:
        """End it; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@contextlib.contextmanager
def running(srv: Path, variables: Mapping[str, str], number: int = 0) -> Iterator[Container]:
    """A started container of the image that the repository's Dockerfile describes."""
    container = Container(srv, variables, number)
    try:
        container.start((ROOT / "Dockerfile").read_text(encoding="utf-8"))
        yield container
    finally:
        if container.process is not None and container.process.poll() is None:
            container.stop()


def stanza(name: str, container: Container, cluster: str, mode: str) -> str:
    """The stanza of ``dsdl_container.conf`` that the toolkit writes after a start."""
    host, scheme = "127.0.0.1", container.url.partition(":")[0]
    lines = [f"[{name}]", f"api_url = {container.url}", f"api_url_external = {container.url}", f"cluster = {cluster}"]
    lines += [f"id = {name}", f"mode = {mode}", "status = Active"]
    if mode == "DEV":
        urls = {"jupyter_url": 8888, "tensorboard_url": 6006, "mlflow_url": 6000, "spark_url": 4040}
        lines += [f"{key} = {scheme}://{host}:{container.ports[port]}" for key, port in urls.items()]
    return "\n".join(lines) + "\n"
