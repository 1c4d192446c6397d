"""Run all checks, in an order from fast to slow.

A check that raises becomes a finding itself, so that the other checks still run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from dltk_runtime.doctor import collector, local, old_container, remote, search_head
from dltk_runtime.doctor.finding import Check, Finding, error, ok, skipped, warning
from dltk_runtime.errors import DltkError, SettingInvalid
from dltk_runtime.settings import ClientSettings, Settings


def examine(environ: Mapping[str, str] | None = None, *, send_event: bool = False) -> Iterator[Finding]:
    """Yield the findings of all checks with the settings of `environ`, slow checks last.

    Args:
        environ: variables to read; None for the process's environment.
        send_event: send one event to the HTTP Event Collector, the only way to check its index.
    """
    environ = os.environ if environ is None else environ
    yield from local.variables(environ)
    try:
        settings = Settings.from_env(environ)
    except SettingInvalid as unusable:
        yield error("settings", unusable.sentence, "Correct the variable; the other checks need valid settings.")
        return
    yield ok("settings", "all variables are valid")
    index = collector.index if send_event else collector.unsent
    if environ.get("DLTK_URL"):
        yield from _elsewhere(environ)
    here = () if environ.get("DLTK_URL") else (*local.CHECKS, old_container.shadow)
    for check in (*here, search_head.splunk, collector.collector, index):
        yield from _findings(check, settings)


def _elsewhere(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check the container at `DLTK_URL`, not this machine."""
    try:
        client = ClientSettings.from_env(environ)
    except SettingInvalid as unusable:
        yield error("container", unusable.sentence, "Correct the variable.")
        return
    yield from remote.container(client)
    yield skipped("this machine", "not checked: DLTK_URL names a container elsewhere", "Unset it to check this one.")


def _findings(check: Check, settings: Settings) -> Iterator[Finding]:
    name = check.__name__.replace("_", " ")
    try:
        yield from check(settings)
    except DltkError as failure:
        yield error(name, failure.sentence, "")
    except Exception as failure:  # noqa: BLE001 - the other checks must still run
        text = f"this check failed: {type(failure).__name__}: {failure}"
        yield warning(name, text, "Check this by hand, and report the failure as a bug of 'dltk doctor'.")
