"""What the container does before anything serves: checks, folders, certificate, libraries, then the supervisor.

Everything that can be wrong with settings or volume is found here, where it ends the container with one line and the
exit code of `dltk_runtime.commands.Exit`. Nothing of this process stays: s6-svscan takes its place as process 1.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from dltk_runtime import home, tls
from dltk_runtime.errors import DltkError
from dltk_runtime.server.errors import TokenMissing
from dltk_runtime.settings import Settings

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent / "notebooks"
SCAN = Path("/tmp/services")  # s6 keeps its pipes here, so it must be writable; the programs stay in HERE
SVSCAN = "/usr/bin/s6-svscan"
# Of each service of DEV: the module that it needs. The smaller image variants do not have them all.
TOOLS = {"jupyter": "jupyterlab", "tensorboard": "tensorboard", "mlflow": "mlflow"}


def say(text: str) -> None:
    print(f"dltk: {text}", flush=True)


def main() -> None:
    os.umask(0o002)  # the user differs from container to container, group 0 is the same
    try:
        settings = Settings.from_env()
        check(settings)
        os.environ.update(libraries_environment(settings))
    except DltkError as error:
        print(f"dltk: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
    supervise(services(settings))


def check(settings: Settings) -> None:
    """Find what would stop the server, and lay out the volume.

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
    """Let the next container on this volume read the key made here: its user may be another one of group 0."""
    if key.is_relative_to(settings.paths.home) and key.stat().st_uid == os.getuid():
        key.chmod(0o640)


def libraries_environment(settings: Settings) -> dict[str, str]:
    """The variables that let notebooks import what the volume's requirements.txt asks for."""
    requirements = settings.paths.home / "requirements.txt"
    if not requirements.is_file():
        return {}
    from libraries import installed  # beside this file; only a volume that has the file pays for it

    folder = installed(requirements, settings.paths.home / "libraries", say)
    return {"DLTK_LIBRARIES": str(folder)} if folder else {}


def services(settings: Settings) -> list[str]:
    """The services that run: the API, and in DEV those of `TOOLS` that nobody reaches without the password."""
    if settings.mode == "PROD":
        return ["api"]
    there = [name for name, module in TOOLS.items() if importlib.util.find_spec(module)]
    if missing := ", ".join(TOOLS.keys() - there):
        say(f"this image has no {missing}; the variant cpu or gpu has")
    if not settings.jupyter_password and "jupyter" in there:
        say("JupyterLab does not start: JUPYTER_PASSWD has no password's hash (jupyter_server.auth.passwd() makes one)")
        there.remove("jupyter")
    if "jupyter" not in there and not settings.open_tools:
        return ["api"]  # nobody could reach TensorBoard and MLflow
    return ["api", *there]


def supervise(names: list[str]) -> None:
    """Become s6-svscan over a service folder for each name."""
    shutil.rmtree(SCAN, ignore_errors=True)
    for name in names:
        (SCAN / name).mkdir(parents=True)
        for program in (HERE / "services" / name).iterdir():
            (SCAN / name / program.name).symlink_to(program)  # /tmp may be mounted noexec
    control = SCAN / ".s6-svscan"
    control.mkdir()
    (control / "finish").symlink_to(HERE / "finish")
    say(f"starting {', '.join(names)}")
    os.execv(SVSCAN, [SVSCAN, str(SCAN)])


if __name__ == "__main__":
    main()
