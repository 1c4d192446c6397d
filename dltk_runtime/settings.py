"""The only reader of the environment: one frozen dataclass, cast and checked once.

`VARIABLES` describes each variable for ``dltk serve --help`` and the README's table.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dltk_runtime.errors import SettingInvalid
from dltk_runtime.paths import Paths

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment: its name, what it must be, and what it does."""

    name: str
    wanted: str
    cast: Callable[[str], Any]
    help: str
    secret: bool = False


def _text(value: str) -> str:
    return value


def _path(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _flag(value: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.strip().lower()]


def _natural(value: str) -> int:
    number = int(value)
    if number < 0:
        raise ValueError
    return number


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def _seconds(value: str) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _bytes(value: str) -> int:
    """``2048``, ``512M``, ``2GiB``."""
    text = value.strip().upper().removesuffix("B").removesuffix("I")
    factor = {"K": 1024, "M": MIB, "G": GIB}.get(text[-1:], 1)
    number = float(text[:-1] if factor > 1 else text)
    if not 0 <= number < 2**60:
        raise ValueError
    return int(number * factor)


def _one_of(*values: str) -> Callable[[str], str]:
    def cast(value: str) -> str:
        return {each.lower(): each for each in values}[value.strip().lower()]

    return cast


def _setting(name: str, default: Any, wanted: str, cast: Callable[[str], Any], help: str, *, secret: bool = False) -> Any:
    return field(
        default=default, repr=not secret, metadata={"variable": Variable(name, wanted, cast, help, secret)}
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """What one server runs with. Sizes are bytes, times are seconds; 0 means "work it out" where the help says so."""

    # protocol.md §3: the contract of a DSDL container
    api_token: str = _setting("api_token", "", "text", _text, "the token that every request must carry; needed", secret=True)
    api_workers: int = _setting("api_workers", 1, "a whole number from 1 on", _positive, "worker processes that may serve one model at the same time")
    https: bool | None = _setting("ENABLE_HTTPS", None, "true or false", _flag, "TLS on or off; unset: on in the image, elsewhere off and then only on a loopback address")
    tls_cert: Path | None = _setting("API_SSL_CERT", None, "a path", _path, "certificate chain (PEM); unset: a self-signed one, made once per home")
    tls_key: Path | None = _setting("API_SSL_KEY", None, "a path", _path, "its private key (PEM)")
    # ours
    home: Path = _setting("DLTK_HOME", Path(".dltk"), "a path", _path, "models, jobs, graphics, certificates; /srv in the image")
    notebooks: Path = _setting("DLTK_NOTEBOOKS", Path("notebooks"), "a path", _path, "the notebooks' folder; /srv/notebooks in the image")
    host: str = _setting("DLTK_HOST", "127.0.0.1", "an address", _text, "address to listen on; 0.0.0.0 in the image")
    port: int = _setting("DLTK_PORT", 5000, "a port, 0 for a free one", _natural, "port to listen on")
    max_body: int = _setting("DLTK_MAX_BODY", 2 * GIB, "a size such as 512M", _bytes, "largest request")
    apply_workers: int = _setting("DLTK_APPLY_WORKERS", 0, "a whole number", _natural, "worker processes kept for apply, all models together; 0: one for each GiB of memory, 2 to 16")
    fit_workers: int = _setting("DLTK_FIT_WORKERS", 0, "a whole number", _natural, "fits that run at the same time; 0: cores + 1")
    max_waiting: int = _setting("DLTK_MAX_WAITING", 64, "a whole number", _natural, "requests that may wait for one algorithm; further ones are refused")
    apply_timeout: float = _setting("DLTK_APPLY_TIMEOUT", 600.0, "seconds above 0", _seconds, "deadline of one apply, waiting included")
    fit_timeout: float = _setting("DLTK_FIT_TIMEOUT", 86400.0, "seconds above 0", _seconds, "deadline of one fit, from the start of its process")
    worker_memory: int = _setting("DLTK_WORKER_MEMORY", 0, "a size such as 4G", _bytes, "memory of one worker and its children; 0: 80% of the container's limit")
    apply_threads: int = _setting("DLTK_APPLY_THREADS", 1, "a whole number from 1 on", _positive, "threads of numeric libraries in an apply worker")
    fit_threads: int = _setting("DLTK_FIT_THREADS", 0, "a whole number", _natural, "the same in a fit worker; 0: cores - 1, at least 1")
    spares: int = _setting("DLTK_SPARES", 2, "a whole number", _natural, "worker processes held ready with their imports done")
    keep_versions: int = _setting("DLTK_KEEP_VERSIONS", 5, "a whole number from 1 on", _positive, "newest versions kept of each model, beside the current one")
    keep_jobs: int = _setting("DLTK_KEEP_JOBS", 1000, "a whole number from 1 on", _positive, "newest job records kept")
    log_bytes: int = _setting("DLTK_LOG_BYTES", MIB, "a size such as 1M", _bytes, "what a job's log keeps of the printed text: half of it from the start, half from the end")
    text: str = _setting("DLTK_TEXT", "object", "object or string", _one_of("object", "string"), "dtype of text columns in the frames that notebooks get")

    @property
    def paths(self) -> Paths:
        return Paths(self.home.absolute(), self.notebooks.absolute())

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """The settings in `environ` (default: the process's), overlaid by `given` values that are not None.

        An empty variable counts as unset. A ``<secret>_file`` variable names a file that holds the secret.

        Raises:
            SettingInvalid: naming variable, value (secrets excepted) and what is wanted.
        """
        environ = os.environ if environ is None else environ
        values = {
            name: _cast(variable, text)
            for name, variable in VARIABLES.items()
            if (text := _lookup(variable, environ))
        }
        return cls(**values | {name: value for name, value in given.items() if value is not None})


VARIABLES: dict[str, Variable] = {each.name: each.metadata["variable"] for each in fields(Settings)}


def _lookup(variable: Variable, environ: Mapping[str, str]) -> str:
    if variable.secret and not environ.get(variable.name) and (file := environ.get(variable.name + "_file")):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingInvalid(variable.name + "_file", file, f"a file that can be read ({error})") from error
    return environ.get(variable.name, "")


def _cast(variable: Variable, text: str) -> Any:
    try:
        return variable.cast(text)
    except (ValueError, KeyError) as error:
        raise SettingInvalid(variable.name, "***" if variable.secret else text, variable.wanted) from error
