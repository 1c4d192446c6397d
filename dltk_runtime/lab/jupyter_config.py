"""JupyterLab's configuration for ``dltk lab``."""

from __future__ import annotations

from dltk_runtime.lab.extension import configure
from dltk_runtime.settings import Settings

c = get_config()  # type: ignore[name-defined] # noqa: F821 - Jupyter gives it to its configuration files
configure(c, Settings.from_env().paths)
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
