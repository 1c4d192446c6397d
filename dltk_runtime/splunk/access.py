"""Addresses and tokens with which notebooks reach Splunk, and secrets that the operator lists for them.

The environment of a worker or kernel contains no token (promise 9); it inherits a memory file whose
descriptor the variable `DESCRIPTOR` names. The file is on no disk, cannot be changed, and ends with
the server::

    server, JupyterLab, batch ── sealed(settings) ── memfd ── pass_fds, DLTK_SPLUNK_FD=7 ──→ found()

A program that notebook code starts does not inherit the descriptor; a fork of the worker does. Any
other process of the same user finds the file in ``/proc``: it hides the token from environments and
logs, not from other notebooks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dltk_runtime import handover
from dltk_runtime.scrub import Scrubber
from dltk_runtime.secret_names import texts_of
from dltk_runtime.settings import Settings

if TYPE_CHECKING:
    from dltk_runtime.splunk.transport import Tls

DESCRIPTOR = "DLTK_SPLUNK_FD"
_NAME = "dltk-splunk"


@dataclass(frozen=True, slots=True)
class Access:
    """Addresses and tokens; empty strings for those that are not configured."""

    host: str = ""
    port: int = 8089
    token: str = field(default="", repr=False)
    hec_url: str = ""
    hec_token: str = field(default="", repr=False)
    verify: bool = True
    cafile: str = ""
    patience: float = 30.0
    listed: tuple[str, ...] = ()  # the secrets that the operator lists for notebooks, and their values
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def tls(self) -> Tls:
        """How certificates are checked."""
        from dltk_runtime.splunk.transport import Tls  # with an HTTP client: each worker starts without it

        return Tls(self.verify, Path(self.cafile) if self.cafile else None)


def of_settings(settings: Settings) -> Access:
    """Return the access that the settings give notebooks; parts that are not enabled are empty."""
    search, hec = settings.splunk_access, settings.hec
    return Access(
        host=settings.splunk_host if search else "",
        port=settings.splunk_port,
        token=settings.splunk_token if search else "",
        hec_url=settings.hec_url if hec else "",
        hec_token=settings.hec_token if hec else "",
        verify=settings.splunk_verify,
        cafile=str(settings.splunk_cafile or ""),
        patience=settings.splunk_patience,
        listed=settings.notebook_secrets,
        secrets=dict(settings.notebook_values),
    )


def sealed(settings: Settings) -> int | None:
    """Create the workers' memory file; return its descriptor, or None without any token."""
    access = of_settings(settings)
    if not (access.token or access.hec_token or access.secrets):
        return None
    return handover.create(_NAME, msgspec.json.encode(access))


def variables(descriptor: int | None) -> dict[str, str]:
    """Return the variables that tell a worker the descriptor from `sealed`."""
    return {} if descriptor is None else {DESCRIPTOR: str(descriptor)}


def inherited(environ: Mapping[str, str]) -> tuple[int, ...]:
    """Return the descriptors that a worker with this environment inherits."""
    return (int(environ[DESCRIPTOR]),) if DESCRIPTOR in environ else ()


def hand_out(environ: MutableMapping[str, str]) -> Scrubber:
    """Put the listed secrets into `environ`; return what removes them from all that is written.

    A worker or kernel calls it with its own environment, before any code of a notebook runs. The
    environment that ``/proc`` shows is that of the process's start, and stays as it is.
    """
    secrets = found(environ).secrets
    environ.update(secrets)
    return Scrubber(texts_of(secrets.values()))


def close(descriptor: int | None) -> None:
    """Close the memory file of `sealed`."""
    if descriptor is not None:
        os.close(descriptor)


def found(environ: Mapping[str, str] | None = None) -> Access:
    """Return this process's access, from a worker's memory file or else from the environment.

    Raises:
        SettingInvalid: a variable has an invalid value.
    """
    environ = os.environ if environ is None else environ
    if DESCRIPTOR not in environ:
        return of_settings(Settings.from_env(environ))
    return _read(environ[DESCRIPTOR]) or Access()


def _read(descriptor: str) -> Access | None:
    """Read the memory file; None where the descriptor is closed or is another file."""
    content = handover.read(_NAME, descriptor)
    try:
        return None if content is None else msgspec.json.decode(content, type=Access)
    except ValueError:  # msgspec.DecodeError is one
        return None
