"""JupyterLab in the container: protected by the password, with the API's certificate."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dltk_runtime import handover, tls
from dltk_runtime.lab import certificate, kernelspec, login
from dltk_runtime.lab.extension import configure
from dltk_runtime.settings import Settings

# launch.py hands over the password; the environment, which kernels inherit, never has it.
settings = Settings.from_env({**os.environ, **handover.take(os.environ)})
sys.executable = str(Path(sys.prefix) / "bin" / "python3")  # for kernels: this process runs under python3-sealed
c = get_config()  # noqa: F821 - defined by Jupyter for its configuration files

# All addresses of the container, of whose ports the operator publishes some; without TLS the loopback address alone.
c.ServerApp.ip = "0.0.0.0" if settings.https else "127.0.0.1"
c.ServerApp.port = settings.jupyter_port
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
configure(c, settings)
c.ServerApp.allow_root = True  # an operator may run the container as root; the image does not
c.ServerApp.terminado_settings = {"shell_command": [sys.executable, "-I", "-m", "dltk_runtime.landlock", "/bin/bash"]}
if settings.https:
    cert, key = tls.certificate(settings)
    c.ServerApp.certfile, c.ServerApp.keyfile = str(cert), str(key)
    c.ServerApp.jpserver_extensions[certificate.MODULE] = True
# The runtime's own modules log in the same format as in the API.
c.ServerApp.logging_config = {
    "formatters": {"dltk": {"()": "dltk_runtime.logs.JsonLines"}},
    "handlers": {"dltk": {"class": "logging.StreamHandler", "formatter": "dltk"}},
    "loggers": {"dltk": {"level": "INFO", "handlers": ["dltk"], "propagate": False}},
}

login.protect(c, settings.jupyter_password)
# User settings and workspaces are stored on the volume, all other files of Jupyter in /tmp.
c.LabApp.user_settings_dir = str(settings.paths.home / "jupyter" / "settings")
c.LabApp.workspaces_dir = str(settings.paths.home / "jupyter" / "workspaces")
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"

os.environ.update(kernelspec.environment(settings.paths, os.environ))
