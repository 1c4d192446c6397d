"""The doctor's checks of this machine: settings, token, certificate, port, volume, notebooks, GPU."""

from __future__ import annotations

import datetime
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from dltk_runtime import home, tls
from dltk_runtime.doctor.finding import Check, Finding, error, ok, skipped, warning
from dltk_runtime.errors import nearest
from dltk_runtime.notebook.algorithm import algorithms, check
from dltk_runtime.notebook.errors import NotebookError
from dltk_runtime.settings import CLIENT_VARIABLES, VARIABLES, Settings
from dltk_runtime.tls import CertificateInvalid
from dltk_runtime.units import GIB, MIB

OURS = {"DLTK_CODE", "DLTK_LIBRARIES", "DLTK_TOOLS_HOST"}  # set by the runtime and the image themselves
SHORT_TOKEN = 16  # characters: 96 bits, when they are random
RENEW_DAYS = 30
LITTLE_SPACE, NO_SPACE = 2 * GIB, 200 * MIB  # a model with a deep network, and a job's record
FRAMEWORKS = {  # each prints how many GPUs it sees, and the CUDA release that it was built for
    "PyTorch": "import json, torch; print(json.dumps([torch.cuda.device_count(), torch.version.cuda]))",
    "TensorFlow": "import json, tensorflow as tf; seen = len(tf.config.list_physical_devices('GPU')); "
    "print(json.dumps([seen, tf.sysconfig.get_build_info().get('cuda_version')]))",
}

VISIBLE_DEVICES = "NVIDIA_VISIBLE_DEVICES"  # NVIDIA's container runtime reads it; the image's variant gpu sets it
GIVE_GPU = (
    "Give the container a GPU (docker run --gpus all; in Kubernetes the resource nvidia.com/gpu), on a machine with "
    "NVIDIA's driver and container toolkit."
)


def variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Misspelled variables of ours: nothing else would ever say that they have no effect."""
    settings = [*VARIABLES.values(), *CLIENT_VARIABLES.values()]
    known = {each.name for each in settings} | {f"{each.name}_file" for each in settings if each.secret} | OURS
    for name in sorted(environ):
        if name.startswith("DLTK_") and name not in known:
            text = f"{name} is set, and no setting has that name.{nearest(name, known)}"
            yield warning("settings", text, "'dltk serve --help' lists them all.")


def token(settings: Settings) -> Iterator[Finding]:
    """Whether there is a token that nobody guesses."""
    advice = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))' makes a good one."
    if not settings.api_token:
        yield error("token", "there is no api_token", f"Set api_token or api_token_file. {advice}")
    elif not all("!" <= character <= "~" for character in settings.api_token):
        yield error("token", "api_token has blanks or characters that no HTTP header carries", advice)
    elif len(settings.api_token) < SHORT_TOKEN:
        yield warning("token", f"api_token has only {len(settings.api_token)} characters", advice)
    else:
        yield ok("token", "there is one, and it is long enough")


def certificate(settings: Settings) -> Iterator[Finding]:
    """Whether the certificate can be served, for which names, and until when."""
    if settings.https is False:
        advice = "Set ENABLE_HTTPS=true, unless something before the container adds TLS."
        yield warning("certificate", "TLS is off, so the token travels in the clear", advice)
        return
    own = settings.paths.home / tls.FOLDER
    if not settings.tls_cert and not settings.tls_key and not own.is_dir():
        yield skipped("certificate", f"none yet; the first start makes a self-signed one in {own}")
        return
    try:
        cert, _ = tls.certificate(settings)
    except CertificateInvalid as unusable:
        yield error("certificate", unusable.sentence, "")
        return
    yield from described(cert, datetime.datetime.now(datetime.UTC))


def described(cert: Path, now: datetime.datetime) -> Iterator[Finding]:
    """The names and the end of a certificate, as seen at `now`."""
    from cryptography import x509

    loaded = x509.load_pem_x509_certificate(cert.read_bytes())
    try:
        names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        shown = ", ".join(str(name.value) for name in names)
    except x509.ExtensionNotFound:
        shown = ""
        advice = "Have one issued with the name that containers.conf calls as a subject alternative name."
        yield error("certificate", f"{cert} names no host, and clients refuse that", advice)
    ends = loaded.not_valid_after_utc
    text = f"{cert} is for {shown or 'no host'}, until {ends:%Y-%m-%d}"
    if ends < now or loaded.not_valid_before_utc > now:
        yield error("certificate", f"{text}: not valid today", "Put a valid one in its place; it is read at once.")
    elif ends - now < datetime.timedelta(days=RENEW_DAYS):
        yield warning("certificate", text, "Put a renewed one in its place; it is read without a restart.")
    else:
        yield ok("certificate", text)


def port(settings: Settings) -> Iterator[Finding]:
    """Whether our server answers on its port, with this token; else whether the port is free for it."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", ""} else settings.host  # noqa: S104 - compared, not bound
    where = f"{host}:{settings.port}"
    try:
        status = _status(host, settings)
    except ConnectionRefusedError:
        yield skipped("port", f"nothing listens on {where}: the server does not run here", "Start it: dltk serve")
    except (OSError, http.client.HTTPException) as failure:
        text = f"what listens on {where} does not answer as the server would: {failure}"
        yield error("port", text, "End the other program, or choose another port with DLTK_PORT.")
    else:
        if status == http.HTTPStatus.OK:
            yield ok("port", f"the server answers on {where}, and takes this token")
        elif status == http.HTTPStatus.UNAUTHORIZED:
            advice = "Give both the same api_token; the DSDL app's setup page holds a third copy."
            yield error("port", f"the server on {where} refuses this token", advice)
        else:
            yield error("port", f"{where} answers with HTTP {status}", "Another program listens there, or a proxy.")


def _status(host: str, settings: Settings) -> int:
    """The status of ``/summary`` with our token."""
    if settings.https is False or (settings.https is None and host == "127.0.0.1"):
        connection = http.client.HTTPConnection(host, settings.port, timeout=10)
    else:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # our own machine; `certificate` checks it
        connection = http.client.HTTPSConnection(host, settings.port, timeout=10, context=context)
    with closing(connection):
        connection.request("GET", "/summary", headers={"Authorization": settings.api_token})
        return connection.getresponse().status


def jupyterlab(settings: Settings) -> Iterator[Finding]:
    """Whether JupyterLab listens beside the server, where the container is to have it."""
    if settings.mode == "PROD" or not settings.jupyter_password:
        yield skipped("jupyterlab", "not asked for: that takes MODE_DEV_PROD=DEV and JUPYTER_PASSWD")
        return
    where = f"127.0.0.1:{settings.jupyter_port}"
    try:
        socket.create_connection(("127.0.0.1", settings.jupyter_port), timeout=10).close()
    except OSError as failure:
        advice = "Look at the container's log; JupyterLab needs some seconds, and the image's variant cpu or gpu."
        yield warning("jupyterlab", f"nothing listens on {where}: {failure}", advice)
    else:
        yield ok("jupyterlab", f"it listens on {where}")


def volume(settings: Settings) -> Iterator[Finding]:
    """Whether models and notebooks can be written, and how much space there is."""
    home.prepare(settings.paths)
    for folder in dict.fromkeys((settings.paths.home, settings.paths.notebooks)):
        free = home.free_bytes(folder)
        text = f"{folder} can be written, and has {free / GIB:.1f} GiB free"
        if free < NO_SPACE:
            yield error("volume", text, "Give it more space, or lower DLTK_KEEP_VERSIONS and DLTK_KEEP_JOBS.")
        elif free < LITTLE_SPACE:
            yield warning("volume", text, "Give it more space before fits fail.")
        else:
            yield ok("volume", text)


def notebooks(settings: Settings) -> Iterator[Finding]:
    """Whether every notebook keeps the contract."""
    names = algorithms(settings.paths)
    if not names:
        text = f"there is no algorithm in {settings.paths.notebooks}"
        yield warning("notebooks", text, "Copy a notebook there, or let DLTK_NOTEBOOKS name the right folder.")
        return
    broken = 0
    for name in names:
        try:
            problems = check(name, settings.paths).problems
        except NotebookError as failure:
            problems = (failure.sentence,)
        broken += bool(problems)
        for problem in problems:
            yield warning("notebooks", f"{name}: {problem}", f"'dltk check {name}' says more.")
    yield ok("notebooks", f"{len(names) - broken} of {len(names)} algorithms can be used")


def gpu(settings: Settings) -> Iterator[Finding]:
    """Driver and memory of each GPU, and whether the frameworks see it."""
    if shutil.which("nvidia-smi") is None:
        yield _no_gpu(settings)
        return
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,memory.free", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        yield error("gpu", f"nvidia-smi says: {done.stdout.strip()}", "Give the container a GPU: --gpus all.")
        return
    cards = done.stdout.strip().splitlines()
    yield from (ok("gpu", f"{card} free") for card in cards)
    for framework, code in FRAMEWORKS.items():
        yield _seen(framework, code, len(cards))


def _no_gpu(settings: Settings) -> Finding:
    """What a machine without the driver's tool means to these settings, and to this image."""
    text = "no GPU is visible (there is no nvidia-smi here): notebooks run on the CPU"
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
    advice = "Use the image's gpu variant, and a driver that is new enough for this CUDA."
    return ok("gpu", text) if seen == cards else error("gpu", text, advice)


def name(_: Settings) -> Iterator[Finding]:
    """The name that this machine has for others: what containers.conf may call it."""
    yield ok("name", f"this machine calls itself {socket.getfqdn()}")


CHECKS: tuple[Check, ...] = (token, certificate, port, jupyterlab, volume, notebooks, gpu, name)
