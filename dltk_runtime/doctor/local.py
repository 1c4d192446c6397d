"""Checks of this machine: settings, token, certificate, ports, volume, notebooks, models, GPU."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path

from dltk_runtime import home, landlock, tls
from dltk_runtime.doctor.finding import Check, Finding, error, ok, skipped, warning, whole
from dltk_runtime.doctor.rest import NoAnswer, checking_client
from dltk_runtime.notebook.algorithm import algorithms, check
from dltk_runtime.notebook.errors import NotebookError
from dltk_runtime.pool.environment import hidden_paths
from dltk_runtime.setting_types import HASH_MARK
from dltk_runtime.settings import Settings, unknown_variables
from dltk_runtime.store.store import ModelStore
from dltk_runtime.tls import CertificateInvalid, client_context
from dltk_runtime.units import GIB, MIB

MIN_TOKEN_CHARACTERS = 16  # 96 bits if they are random
RENEWAL_WARNING_DAYS = 30
PORT_SECONDS = 10.0  # for an answer from a port of this machine
LOW_SPACE_BYTES, MIN_SPACE_BYTES = 2 * GIB, 200 * MIB  # room for a deep network, and for job records
FRAMEWORKS = {  # code that prints the number of visible GPUs and the CUDA release of the build
    "PyTorch": "import json, torch; print(json.dumps([torch.cuda.device_count(), torch.version.cuda]))",
    "TensorFlow": "import json, tensorflow as tf; seen = len(tf.config.list_physical_devices('GPU')); "
    "print(json.dumps([seen, tf.sysconfig.get_build_info().get('cuda_version')]))",
}

VISIBLE_DEVICES = "NVIDIA_VISIBLE_DEVICES"  # read by NVIDIA's container runtime, set by the image's variant gpu
GIVE_GPU = (
    "Give the container a GPU (docker run --gpus all; in Kubernetes the resource nvidia.com/gpu), on a machine with "
    "NVIDIA's driver and container toolkit."
)


def variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Report unknown variables that begin with ``DLTK_``, which are otherwise ignored."""
    for name, near in unknown_variables(environ).items():
        text = f"{name} is set, but no setting has that name." + (f" Did you mean {near!r}?" if near else "")
        yield warning("settings", text, "'dltk serve --help' lists all settings.")


def token(settings: Settings) -> Iterator[Finding]:
    """Check that a token is configured, valid in an HTTP header, and long enough."""
    advice = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))' generates a good one."
    if not settings.api_token:
        yield error("token", "no api_token is configured", f"Set api_token or api_token_file. {advice}")
    elif settings.api_token.startswith(HASH_MARK):
        yield ok("token", "the hash of a token is configured")
    elif not all("!" <= character <= "~" for character in settings.api_token):
        yield error("token", "api_token has blanks or characters that are not allowed in an HTTP header", advice)
    elif len(settings.api_token) < MIN_TOKEN_CHARACTERS:
        yield warning("token", f"api_token has only {len(settings.api_token)} characters", advice)
    else:
        yield ok("token", "a token is configured, and long enough")


def files(settings: Settings) -> Iterator[Finding]:
    """Report whether notebooks are kept from the files that hold secrets."""
    hidden = [path for path in hidden_paths(settings, os.environ) if Path(path).exists()]
    listed = ", ".join(hidden)
    if not settings.hide_files:
        yield warning("files", "notebooks can read all files of the server's user", "Unset DLTK_HIDE_FILES.")
    elif not hidden:
        yield skipped("files", "no file holds a secret")
    elif absence := landlock.absence():
        advice = "Give tokens as sha256:… where they are only compared, or use Linux 5.19 or newer with Landlock."
        yield warning("files", f"notebooks can read {listed}: {absence}", advice)
    else:
        yield ok("files", f"notebooks are kept from {listed} (Landlock)")


def certificate(settings: Settings) -> Iterator[Finding]:
    """Check the server's certificate: whether it loads, its host names and its dates."""
    if settings.https is False:
        advice = "Set ENABLE_HTTPS=true, unless a proxy before the container adds TLS."
        yield warning("certificate", "TLS is off, so the token is sent unencrypted", advice)
        return
    own = settings.paths.home / tls.FOLDER
    if not settings.tls_cert and not settings.tls_key and not own.is_dir():
        yield skipped("certificate", f"no certificate yet; the first start makes a self-signed one in {own}")
        return
    try:
        cert, _ = tls.certificate(settings)
    except CertificateInvalid as unusable:
        yield error("certificate", unusable.sentence, "")
        return
    yield from described(cert, datetime.datetime.now(datetime.UTC))
    yield from _unnamed(cert, settings)


def _unnamed(cert: Path, settings: Settings) -> Iterator[Finding]:
    """Check that the certificate has the names of the setting: the names that Splunk calls."""
    has = {name.lower() for name in tls.names_in(cert)}
    lacking = [name for name in settings.tls_names if not {name.lower(), _wildcard(name)} & has]
    if lacking:
        advice = "Use a certificate with these names."
        if not settings.tls_cert:
            advice = (
                f"Remove the folder {cert.parent}; the next start makes a pair with them. Clients must trust it anew."
            )
        yield error("certificate", f"{cert} is not for {', '.join(lacking)}, which DLTK_TLS_NAMES has", advice)


def _wildcard(name: str) -> str:
    """Return the name in certificates that stands for a host and its neighbours."""
    return f"*.{name.lower().partition('.')[2]}"


def described(cert: Path, now: datetime.datetime) -> Iterator[Finding]:
    """Check host names and dates of a certificate (PEM) at the time `now`."""
    from cryptography import x509

    loaded = x509.load_pem_x509_certificate(cert.read_bytes())
    try:
        names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        shown = ", ".join(str(name.value) for name in names)
    except x509.ExtensionNotFound:
        shown = ""
        advice = "Use a certificate that has the host name of containers.conf as a subject alternative name."
        yield error("certificate", f"{cert} has no host name, so clients refuse it", advice)
    ends = loaded.not_valid_after_utc
    text = f"{cert} is for {shown or 'no host'}, until {ends:%Y-%m-%d}"
    if ends < now or loaded.not_valid_before_utc > now:
        yield error(
            "certificate",
            f"{text}: not valid today",
            "Replace the file with a valid one; it is loaded without a restart.",
        )
    elif ends - now < datetime.timedelta(days=RENEWAL_WARNING_DAYS):
        yield warning("certificate", text, "Replace the file with a renewed one; it is loaded without a restart.")
    else:
        yield ok("certificate", text)


def port(settings: Settings) -> Iterator[Finding]:
    """Check that our server answers on its port with this token, or that the port is free."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", ""} else settings.host  # noqa: S104 - compared, not bound
    where = f"{host}:{settings.port}"
    try:
        status = _status(host, settings)
    except NoAnswer as failure:
        if isinstance(failure.cause, ConnectionRefusedError):
            yield skipped("port", f"nothing listens on {where}: the server is not running here", "Start it: dltk serve")
            return
        text = f"the program that listens on {where} does not answer as the server does: {failure.cause}"
        yield error("port", text, "Stop the other program, or set another port with DLTK_PORT.")
    else:
        if settings.api_token.startswith(HASH_MARK) and status == HTTPStatus.UNAUTHORIZED:
            yield ok("port", f"the server answers on {where}; api_token has only the token's hash, so it was not tried")
        elif status == HTTPStatus.OK:
            yield ok("port", f"the server answers on {where}, and accepts this token")
        elif status == HTTPStatus.UNAUTHORIZED:
            advice = "Use the same api_token for both, and on the DSDL app's setup page."
            yield error("port", f"the server on {where} refuses this token", advice)
        else:
            yield error("port", f"{where} answers with HTTP {status}", "Another program or a proxy listens there.")


def _status(host: str, settings: Settings) -> int:
    """Return the HTTP status of ``/summary`` with our token."""
    plain = settings.https is False or (settings.https is None and host == "127.0.0.1")
    address = f"[{host}]" if ":" in host else host
    url = f"{'http' if plain else 'https'}://{address}:{settings.port}/summary"
    client = checking_client(partial(client_context, verify=False), PORT_SECONDS)  # `certificate` checks it
    return client.request("GET", url, {"Authorization": settings.api_token}).status


def jupyterlab(settings: Settings) -> Iterator[Finding]:
    """Check that JupyterLab listens, where it is configured."""
    if settings.mode == "PROD" or not settings.jupyter_password:
        yield skipped("jupyterlab", "not configured: it needs MODE_DEV_PROD=DEV and JUPYTER_PASSWD")
        return
    where = f"127.0.0.1:{settings.jupyter_port}"
    try:
        socket.create_connection(("127.0.0.1", settings.jupyter_port), PORT_SECONDS).close()
    except OSError as failure:
        advice = "Check the container's log; JupyterLab starts after some seconds, in the image's variants cpu and gpu."
        yield warning("jupyterlab", f"nothing listens on {where}: {failure}", advice)
    else:
        yield ok("jupyterlab", f"JupyterLab listens on {where}")


def volume(settings: Settings) -> Iterator[Finding]:
    """Check that models and notebooks can be written, and the free space."""
    home.prepare(settings.paths)
    for folder in dict.fromkeys((settings.paths.home, settings.paths.notebooks)):
        free = home.free_bytes(folder)
        text = f"{folder} is writable, with {free / GIB:.1f} GiB free"
        if free < MIN_SPACE_BYTES:
            yield error("volume", text, "Add space, or lower DLTK_KEEP_VERSIONS and DLTK_KEEP_JOBS.")
        elif free < LOW_SPACE_BYTES:
            yield warning("volume", text, "Add space before fits fail.")
        else:
            yield ok("volume", text)


def notebooks(settings: Settings) -> Iterator[Finding]:
    """Check that every notebook defines a valid algorithm."""
    names = algorithms(settings.paths)
    if not names:
        text = f"no algorithm in {settings.paths.notebooks}"
        yield warning("notebooks", text, "Copy a notebook there, or set DLTK_NOTEBOOKS to the right folder.")
        return
    broken = 0
    for name in names:
        try:
            problems = check(name, settings.paths).problems
        except NotebookError as failure:
            problems = (failure.sentence,)
        broken += bool(problems)
        for problem in problems:
            yield warning("notebooks", f"{name}: {problem}", f"'dltk check {name}' shows more.")
    yield ok("notebooks", f"{len(names) - broken} of {len(names)} algorithms are valid")


def models(settings: Settings) -> Iterator[Finding]:
    """Check every file of every version against its hash, and that each model has a version that can serve."""
    store = ModelStore.open(settings.paths, settings.keep_versions)
    names = store.models()
    damaged = 0
    for each in names:
        problems = list(store.problems(each))
        damaged += bool(problems)
        for problem in problems:
            advice = f"'dltk models show {each.algorithm} {each.model}' lists its versions."
            yield error("models", problem, f"{advice} Restore the files, promote another version, or fit again.")
    if names:
        yield ok("models", whole(len(names), damaged))


def gpu(settings: Settings) -> Iterator[Finding]:
    """Check each GPU's driver and memory, and that the frameworks see it."""
    if shutil.which("nvidia-smi") is None:
        yield _no_gpu(settings)
        return
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,memory.free", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        yield error("gpu", f"nvidia-smi failed: {done.stdout.strip()}", "Give the container a GPU: --gpus all.")
        return
    cards = done.stdout.strip().splitlines()
    yield from (ok("gpu", f"{card} free") for card in cards)
    for framework, code in FRAMEWORKS.items():
        yield _seen(framework, code, len(cards))


def _no_gpu(settings: Settings) -> Finding:
    """Judge a missing nvidia-smi by the settings and by the image's variant."""
    text = "no GPU is visible (nvidia-smi is missing): notebooks run on the CPU"
    if settings.gpu_names:
        wanted = f"{text}, but DLTK_GPUS or CUDA_VISIBLE_DEVICES names {', '.join(settings.gpu_names)}"
        return error("gpu", wanted, f"{GIVE_GPU} Or set DLTK_GPUS=none.")
    if VISIBLE_DEVICES in os.environ:
        return warning(
            "gpu", f"{text}, and this image is built for GPUs", f"{GIVE_GPU} Or use the smaller variant cpu."
        )
    return skipped("gpu", text)


def _seen(framework: str, code: str, cards: int) -> Finding:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        return skipped("gpu", f"{framework} cannot be imported here")
    seen, cuda = json.loads(done.stdout.splitlines()[-1])
    text = f"{framework} (built for CUDA {cuda}) sees {seen} of {cards} GPUs"
    advice = "Use the image's variant gpu, and a driver that supports this CUDA release."
    return ok("gpu", text) if seen == cards else error("gpu", text, advice)


def name(_: Settings) -> Iterator[Finding]:
    """Report the host name, which containers.conf may use."""
    yield ok("name", f"the host name of this machine is {socket.getfqdn()}")


CHECKS: tuple[Check, ...] = (token, files, certificate, port, jupyterlab, volume, notebooks, models, gpu, name)
