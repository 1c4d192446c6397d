"""All settings of one server, and those of its secrets that come from files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from dltk_runtime.errors import SettingInvalid
from dltk_runtime.paths import Paths
from dltk_runtime.scrub import MIN_SECRET_CHARACTERS
from dltk_runtime.secret_names import texts_of
from dltk_runtime.setting_types import Variable
from dltk_runtime.settings.files import Files
from dltk_runtime.settings.models import Models
from dltk_runtime.settings.network import Network
from dltk_runtime.settings.rights import Rights
from dltk_runtime.settings.shadow import Shadow
from dltk_runtime.settings.splunk import SplunkApi
from dltk_runtime.settings.tools import Tools
from dltk_runtime.settings.variables import cast, lookup, secret, shown
from dltk_runtime.settings.workers import Workers

GROUPS = (Rights, Network, SplunkApi, Tools, Files, Workers, Models, Shadow)  # in the order of the docs


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Rights, Network, SplunkApi, Tools, Files, Workers, Models, Shadow):
    """The settings of one server. Sizes are bytes, times seconds; 0 is a computed default where the help says so."""

    notebook_values: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # of `notebook_secrets`, if set

    @property
    def paths(self) -> Paths:
        return Paths(self.home.absolute(), self.notebooks.absolute(), objects=self.store)

    @property
    def pins_code(self) -> bool:
        """Whether applies run the code of their version, where nothing was chosen for the model."""
        return self.code == "pinned" or (self.code == "auto" and self.mode == "PROD")

    def notebook_secret_texts(self) -> list[str]:
        """Return all texts by which the secrets of notebooks can be recognised."""
        return [
            text for text in texts_of(value for _, value in self.notebook_values) if len(text) >= MIN_SECRET_CHARACTERS
        ]

    def shown(self) -> dict[str, str]:
        """Return all settings by variable, for logs: without secrets, and without URLs that hold a password."""
        return {variable.name: shown(variable, getattr(self, name)) for name, variable in VARIABLES.items()}

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """Return the settings in `environ` (default: the process's), overlaid by `given` values that are not None.

        An empty variable counts as unset. A ``<secret>_file`` variable names a file that holds the secret.

        Raises:
            SettingInvalid: naming the variable, its value (unless secret) and what is expected.
        """
        environ = os.environ if environ is None else environ
        values = {
            name: cast(variable, text) for name, variable in VARIABLES.items() if (text := lookup(variable, environ))
        }
        made = cls(**values | {name: value for name, value in given.items() if value is not None})
        found = ((name, secret(name, environ)) for name in made.notebook_secrets)
        return replace(made, notebook_values=tuple((name, value) for name, value in found if value))


VARIABLES: dict[str, Variable] = {each.name: each.metadata["variable"] for group in GROUPS for each in fields(group)}


def secret_files(environ: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Return the files of those secret settings that a ``<secret>_file`` variable gives, by field."""
    environ = os.environ if environ is None else environ
    return {
        name: Path(file)
        for name, variable in VARIABLES.items()
        if variable.secret and not environ.get(variable.name) and (file := environ.get(variable.name + "_file"))
    }


def secret_in(name: str, file: Path) -> str:
    """Return a secret setting from its file; `name` is its field.

    Raises:
        SettingInvalid: there is no valid secret in it.
    """
    variable = VARIABLES[name]
    text = str(cast(variable, lookup(variable, {variable.name + "_file": str(file)})))
    if not text:
        raise SettingInvalid(variable.name + "_file", str(file), "a file that is not empty")
    return text
