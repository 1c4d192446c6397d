"""Prepare the container before any service starts: settings, folders, certificate, libraries.

An invalid setting or volume ends the container here, with one line on stderr and an exit code of
`dltk_runtime.commands.Exit`. Otherwise s6-svscan replaces this process as process 1. Its environment
has no secrets: `launch.py` takes those of a service from a memory file::

    start.py ── secrets of the API (read once), of JupyterLab ── memfds ── s6 ── launch.py ──→ service
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from dltk_runtime import handover, home, landlock, tls
from dltk_runtime.errors import DltkError
from dltk_runtime.pool.environment import hidden_paths
from dltk_runtime.secret_names import secret_variables, variables_without_secrets
from dltk_runtime.server.errors import TokenMissing
from dltk_runtime.setting_types import is_published
from dltk_runtime.settings import VARIABLES, Settings

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent / "notebooks"
SCAN = Path("/tmp/services")  # writable, as s6 creates its pipes here; the programs stay in HERE
SVSCAN = "/usr/bin/s6-svscan"
# SHA-256 of the password's hash that DSDL and the AI Toolkit send when nobody set one: its password is public.
PUBLIC_PASSWORD_SHA256 = "8bd001ab"  # its beginning
# Services of DEV and the module that each needs; smaller image variants lack some of the modules.
TOOLS = {"jupyter": "jupyterlab", "tensorboard": "tensorboard", "mlflow": "mlflow"}
OWN_MLFLOW = "http://127.0.0.1:6000"  # as `launch.py` starts it
# Settings that JupyterLab needs and notebooks must not read: its password, the certificate's key, and
# the tokens that kernels get in a memory file. The API gets all.
JUPYTER_SECRETS = ("jupyter_password", "tls_key", "splunk_token", "hec_token")


def say(text: str) -> None:
    """Print one line of the container's own log."""
    print(f"dltk: {text}", flush=True)


def main() -> None:
    """Check, prepare, and replace this process by the supervisor."""
    handover.hide()
    try:
        settings = Settings.from_env()
        os.umask(settings.umask)
        check(settings)
        environ = variables_without_secrets(os.environ)
        environ |= libraries_environment(settings) | tools_environment(settings)
    except DltkError as error:
        print(f"dltk: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
    names = services(settings)
    environ |= tracking_environment(names, settings)
    environ[landlock.VARIABLE] = os.pathsep.join(hidden_paths(settings, os.environ))
    environ |= handed(names, secret_variables(os.environ), settings.notebook_secrets)
    supervise(names, environ)


def handed(names: list[str], secrets: dict[str, str], listed: Sequence[str] = ()) -> dict[str, str]:
    """Put each service's secrets into a memory file; return the variable that names them for `launch.py`.

    JupyterLab gets those that are `listed` for notebooks, too. That of the API is emptied by its first
    reader: the API is never restarted, JupyterLab is.
    """
    variables = [*(VARIABLES[field].name for field in JUPYTER_SECRETS), *listed]
    wanted = {form for variable in variables for form in both_forms(variable)}
    files = {"api": handover.give(secrets, once=True)}
    if "jupyter" in names:
        files["jupyter"] = handover.give({name: text for name, text in secrets.items() if name in wanted})
    for descriptor in files.values():
        os.set_inheritable(descriptor, True)
    return {"DLTK_HANDED": ",".join(f"{name}={descriptor}" for name, descriptor in files.items())}


def both_forms(variable: str) -> tuple[str, str]:
    """Return the names of a secret and of the file that may hold it."""
    return variable, f"{variable}_file"


def check(settings: Settings) -> None:
    """Check what the server needs, and put the shipped notebooks on the volume.

    Raises:
        TokenMissing, VolumeUnwritable, VolumeFull, CertificateInvalid
    """
    if not settings.api_token:
        raise TokenMissing
    home.prepare(settings.paths)
    say(f"shipped notebooks: {home.lay_out(settings.paths, SHIPPED)}")
    if settings.https:
        share(tls.certificate(settings)[1], settings)


def share(key: Path, settings: Settings) -> None:
    """Make a generated key readable for group 0: the next container may have another user."""
    if key.is_relative_to(settings.paths.home) and key.stat().st_uid == os.getuid():
        key.chmod(0o640)


def libraries_environment(settings: Settings) -> dict[str, str]:
    """Install the volume's requirements.txt, and return the variable that names their folder."""
    requirements = settings.paths.home / "requirements.txt"
    if not requirements.is_file():
        return {}
    sys.path.append(str(HERE))  # `python -I` leaves it out
    from libraries import installed  # imported only when needed

    folder = installed(requirements, settings.paths.home / "libraries", say)
    return {"DLTK_LIBRARIES": str(folder)} if folder else {}


def tools_environment(settings: Settings) -> dict[str, str]:
    """Return the variable that names the address on which TensorBoard and MLflow listen."""
    return {"DLTK_TOOLS_HOST": "0.0.0.0" if settings.open_tools else "127.0.0.1"}


def tracking_environment(names: list[str], settings: Settings) -> dict[str, str]:
    """Return the variable by which fits become runs of the container's own MLflow, unless another one is set."""
    return {"MLFLOW_TRACKING_URI": OWN_MLFLOW} if "mlflow" in names and not settings.tracking_uri else {}


def services(settings: Settings) -> list[str]:
    """List the services to run: the API, and in DEV those of `TOOLS` that a user can reach."""
    if settings.mode == "PROD":
        return ["api"]
    available = [name for name, module in TOOLS.items() if importlib.util.find_spec(module)]
    if missing := ", ".join(TOOLS.keys() - available):
        say(f"not in this image: {missing}; use the variant cpu, gpu or compat")
    if "jupyter" in available and (reason := jupyters_hindrance(settings)):
        say(f"JupyterLab does not start: {reason}")
        available.remove("jupyter")
    if "jupyter" in available and is_public(settings.jupyter_password):
        say("JupyterLab does not start: JUPYTER_PASSWD belongs to a password that is printed in public documentation")
        say("Set a password of your own in Splunk's setup of the container, and start the container again")
        available.remove("jupyter")
    if "jupyter" in available and not settings.https:
        say("JupyterLab listens on 127.0.0.1 alone: ENABLE_HTTPS is off, and its password would travel in the clear")
    if "jupyter" not in available and not settings.open_tools:
        return ["api"]  # TensorBoard and MLflow could not be reached
    return ["api", *available]


def is_public(password_hash: str) -> bool:
    """Return whether a hash is the one that Splunk's apps send by default."""
    return hashlib.sha256(password_hash.encode()).hexdigest().startswith(PUBLIC_PASSWORD_SHA256)


def jupyters_hindrance(settings: Settings) -> str:
    """Return why JupyterLab must not start, and what to do; an empty text if it may."""
    advice = "jupyter_server.auth.passwd() makes the hash"
    if not settings.jupyter_password:
        return f"JUPYTER_PASSWD is unset; {advice}"
    if is_published(settings.jupyter_password):
        return f"the password of JUPYTER_PASSWD is a default that is publicly known; choose another, {advice}"
    return ""


def supervise(names: list[str], environ: dict[str, str]) -> None:
    """Replace this process by s6-svscan with `environ`, with one service folder for each name."""
    shutil.rmtree(SCAN, ignore_errors=True)
    for name in names:
        (SCAN / name).mkdir(parents=True)
        for program in (HERE / "services" / name).iterdir():
            (SCAN / name / program.name).symlink_to(program)  # /tmp may be mounted noexec
    control = SCAN / ".s6-svscan"
    control.mkdir()
    (control / "finish").symlink_to(HERE / "finish")
    say(f"starting {', '.join(names)}")
    os.execve(SVSCAN, [SVSCAN, str(SCAN)], environ)


if __name__ == "__main__":
    main()
