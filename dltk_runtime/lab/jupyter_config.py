"""JupyterLab's configuration for ``dltk lab``."""

from __future__ import annotations

import sys

from dltk_runtime.lab.extension import configure
from dltk_runtime.settings import Settings

paths = Settings.from_env().paths
c = get_config()  # type: ignore[name-defined] # noqa: F821 - Jupyter gives it to its configuration files
configure(c, paths)
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
# Behind Jupyter's own token, started when somebody opens it: the launcher has it, at <address>/tensorboard/.
logs = str(paths.notebooks / "logs")
tensorboard = [sys.executable, "-m", "tensorboard.main", "--logdir", logs, "--port", "{port}"]
c.ServerProxy.servers = {
    "tensorboard": {
        "command": [*tensorboard, "--path_prefix", "{base_url}tensorboard"],
        "absolute_url": True,
        "timeout": 60,  # seconds; it imports TensorFlow
        "launcher_entry": {"title": "TensorBoard"},
    }
}
