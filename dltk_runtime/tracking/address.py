"""The tracking server's address and credentials, and what a fit's own process gets of them.

Notebooks get the secrets that the operator listed for them, and no others. Where the server needs a
secret that is not listed, the fit's process logs into a folder, and what it logged is sent later.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from dltk_runtime import landlock, tls
from dltk_runtime.scrub import Scrubber
from dltk_runtime.secret_names import is_secret_variable, private_files
from dltk_runtime.settings import VARIABLES, Settings

URI = "MLFLOW_TRACKING_URI"
# How long MLflow's client in a fit tries when the server is gone: seconds, where its own would be many minutes.
FIT_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
_FIELDS = ("tracking_uri", "tracking_user", "tracking_password", "tracking_token")


@dataclass(frozen=True, slots=True)
class Address:
    """`variables` of MLflow's client, credentials included; whether notebooks may have them `listed`."""

    variables: Mapping[str, str] = field(repr=False)
    listed: bool

    @classmethod
    def of(cls, settings: Settings) -> Address | None:
        """Return the address that the settings give; None without one."""
        if not settings.tracking_uri:
            return None
        found = {VARIABLES[name].name: getattr(settings, name) for name in _FIELDS}
        given = {name: text for name, text in found.items() if text}
        secret = {name for name, text in given.items() if is_secret_variable(name, text)}
        return cls(given, secret <= set(settings.notebook_secrets))

    @property
    def uri(self) -> str:
        return self.variables[URI]

    def scrubber(self) -> Scrubber:
        """Return what removes the credentials from texts of MLflow's client."""
        parts = urlsplit(self.uri)
        held = [text for name, text in self.variables.items() if is_secret_variable(name, "")]
        alone = parts.username or "" if parts.password is None else ""  # https://token@host
        return Scrubber([*held, parts.password or "", unquote(parts.password or ""), alone])

    def for_fit(self, run: str, experiment: str) -> dict[str, str]:
        """Return the variables of a fit's process that logs at the server."""
        patience = {key: text for key, text in FIT_PATIENCE.items() if key not in os.environ}
        return {"MLFLOW_RUN_ID": run, "MLFLOW_EXPERIMENT_ID": experiment, **patience, **self.variables}


def helper_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what the helper process gets of this environment: no secret, which any process could read."""
    environ = os.environ if environ is None else environ
    plain = {name: text for name, text in environ.items() if not is_secret_variable(name, text)}
    defaults = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
    fixed = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the queue retries
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_FILE_STORE": "true",  # to read what a fit's process logged into a folder
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    return {**defaults, **plain, **fixed}


def hidden_files(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Return the files that the helper may not read: those kept from notebooks, but MLflow's own.

    None where MLflow is a folder or a database of this machine: the helper may make files there, and
    Landlock would keep it from reading them.
    """
    if not settings.hide_files or not settings.tracking_uri.startswith(("http://", "https://")):
        return []
    named = filter(None, environ.get(landlock.VARIABLE, "").split(os.pathsep))
    own = {text for name, text in environ.items() if name.startswith("MLFLOW_")}
    return [
        each for each in (*named, *private_files(environ), str(settings.paths.home / tls.FOLDER)) if each not in own
    ]
