"""Find variables that look like settings and are none."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from dltk_runtime.errors import closest
from dltk_runtime.settings.client import CLIENT_VARIABLES
from dltk_runtime.settings.server import VARIABLES

# Variables that the image and the server give to their own processes; DLTK_SECRETS_FD: to the API.
OWN_VARIABLES = {
    "DLTK_CODE",
    "DLTK_HIDDEN",
    "DLTK_LIBRARIES",
    "DLTK_READ_ONLY",
    "DLTK_SECRETS_FD",
    "DLTK_SPLUNK_FD",
    "DLTK_PICTURES",
    "DLTK_TOOLS_HOST",
    "DLTK_WORKER",
}
# What Kubernetes and Docker set in every container for a service that is named dltk.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT\w*)$|_PORT_\d+_(TCP|UDP)\w*$|_ENV_\w+$")


def unknown_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that look like settings and are none, each with the nearest setting or ""."""
    variables = [*VARIABLES.values(), *CLIENT_VARIABLES.values()]
    known = {each.name for each in variables} | {each.name + "_file" for each in variables if each.secret}
    environ = os.environ if environ is None else environ
    found = (name for name in environ if name.upper().startswith("DLTK_") and name not in known | OWN_VARIABLES)
    spelt = {name.upper(): name for name in known}
    wrong = sorted(name for name in found if not _SERVICE_LINK.search(name))
    return {name: spelt.get(closest(name.upper(), spelt) or "", "") for name in wrong}
