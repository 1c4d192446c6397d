"""JupyterLab's configuration for ``dltk lab``."""

from __future__ import annotations

import sys

from dltk_runtime.lab.extension import configure
from dltk_runtime.settings import Settings

settings = Settings.from_env()
# Jupyter defines get_config for its configuration files.
c = get_config()  # type: ignore[name-defined] # noqa: F821
configure(c, settings)
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
# A tile of the launcher: jupyter-server-proxy starts TensorBoard on demand behind Jupyter's token.
logs = str(settings.paths.notebooks / "logs")
tensorboard = [sys.executable, "-m", "tensorboard.main", "--logdir", logs, "--port", "{port}"]
c.ServerProxy.servers = {
    "tensorboard": {
        "command": [*tensorboard, "--path_prefix", "{base_url}tensorboard"],
        "absolute_url": True,
        "timeout": 60,  # seconds until it listens; it imports TensorFlow
        "launcher_entry": {"title": "TensorBoard"},
    }
}
