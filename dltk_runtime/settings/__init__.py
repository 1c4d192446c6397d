"""Settings: the only reader of the environment, cast and checked once.

* `rights`, `network`, `splunk`, `tools`, `files`, `workers`, `models`, `shadow`: the settings by subject
* `server`: `Settings`, which is all of them; `client`: those of the commands that call a container
* `single`: single settings, for processes that need few of them
* `variables`: how one variable is read; `unknown`: variables that look like settings and are none

`VARIABLES` describes each variable for ``dltk serve --help`` and the tables of settings in the docs.
"""

from dltk_runtime.settings.client import CLIENT_VARIABLES, ClientSettings
from dltk_runtime.settings.server import GROUPS, VARIABLES, Settings, secret_files, secret_in
from dltk_runtime.settings.single import code_location, keeps_values, umask, worker_paths
from dltk_runtime.settings.unknown import unknown_variables
from dltk_runtime.settings.variables import HIDDEN, secret
from dltk_runtime.settings.workers import cores

__all__ = [
    "CLIENT_VARIABLES",
    "GROUPS",
    "HIDDEN",
    "VARIABLES",
    "ClientSettings",
    "Settings",
    "code_location",
    "cores",
    "keeps_values",
    "secret",
    "secret_files",
    "secret_in",
    "umask",
    "unknown_variables",
    "worker_paths",
]
