"""Read one variable: its text or its file, its cast, and how a log shows it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dltk_runtime.errors import SettingInvalid
from dltk_runtime.secret_names import is_secret_variable
from dltk_runtime.setting_types import Variable, as_text, as_umask

HIDDEN = "***"  # in place of a secret


def lookup(variable: Variable, environ: Mapping[str, str]) -> str:
    """Return the text of a variable, or of the file that ``<secret>_file`` names; empty when it is unset.

    Raises:
        SettingInvalid: that file cannot be read.
    """
    if variable.secret and not environ.get(variable.name) and (file := environ.get(variable.name + "_file")):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingInvalid(variable.name + "_file", file, f"a file that can be read ({error})") from error
    return environ.get(variable.name, "")


def cast(variable: Variable, text: str) -> Any:
    """Return the value of a variable.

    Raises:
        SettingInvalid: naming the variable, its text (unless that is secret, or holds a password) and what is expected.
    """
    try:
        return variable.cast(text)
    except (ValueError, KeyError, RuntimeError) as error:  # RuntimeError: ~name without such a user
        hidden = variable.secret or is_secret_variable("", text)
        raise SettingInvalid(variable.name, HIDDEN if hidden else text, variable.wanted) from error


def shown(variable: Variable, value: Any) -> str:
    """Return a value for logs: no secret, and no URL that holds a password."""
    if value is None or value == "":
        return ""
    if variable.secret:
        return HIDDEN
    text = written(variable, value)
    return HIDDEN if is_secret_variable("", text) else text


def written(variable: Variable, value: Any) -> str:
    """Return the text that gives a variable this value."""
    if variable.cast is as_umask:
        return f"{value:03o}"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def secret(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return a secret that a batch run names: the variable of that name, or the content of the file in ``<name>_file``.

    Raises:
        SettingInvalid: that file cannot be read.
    """
    variable = Variable(name, "text", as_text, "", secret=True)
    return lookup(variable, os.environ if environ is None else environ) or None
