"""Settings of the commands that call a container."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from dltk_runtime.setting_types import Variable, as_path, as_sent_token, as_text, setting
from dltk_runtime.settings.server import VARIABLES
from dltk_runtime.settings.variables import cast, lookup


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Clients: the container that `dltk search`, `dltk jobs` and `dltk doctor` call, and its token."""

    url: str = setting(
        "DLTK_URL", "http://127.0.0.1:5000", "an address", as_text, "address of the container that clients call"
    )
    token: str = setting(
        "DLTK_TOKEN",
        "",
        "the token itself, text without blanks; not its hash, which may be in api_token",
        as_sent_token,
        "its token for clients; unset: the one in api_token",
        secret=True,
    )
    cafile: Path | None = setting(
        "DLTK_CAFILE",
        None,
        "a path",
        as_path,
        "certificate (PEM) to check the container's against; unset: the system's",
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: str | None) -> ClientSettings:
        """As `Settings.from_env`, from texts; without a token, the container's own `api_token` is used.

        Raises:
            SettingInvalid: as `Settings.from_env`.
        """
        environ = os.environ if environ is None else environ
        texts = {name: lookup(variable, environ) for name, variable in CLIENT_VARIABLES.items()}
        texts["token"] = texts["token"] or lookup(VARIABLES["api_token"], environ)
        texts |= {name: text for name, text in given.items() if text is not None}
        return cls(**{name: cast(CLIENT_VARIABLES[name], text) for name, text in texts.items() if text})


CLIENT_VARIABLES: dict[str, Variable] = {each.name: each.metadata["variable"] for each in fields(ClientSettings)}
