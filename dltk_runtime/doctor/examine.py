"""Checks of the whole chain from Splunk's search to the notebook, each with what to do when it is broken.

A check looks at one hop and yields what it found. None changes anything, unless an event may be sent, and one that
fails in a way nobody foresaw is itself a finding, so that the others are still made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from dltk_runtime.doctor import collector, local, search_head
from dltk_runtime.doctor.finding import Check, Finding, error, ok, warning
from dltk_runtime.errors import DltkError, SettingInvalid
from dltk_runtime.settings import Settings


def examine(environ: Mapping[str, str] | None = None, *, send_event: bool = False) -> Iterator[Finding]:
    """Everything that can be checked from where this runs, with the settings of `environ`; slow checks last.

    With `send_event` Splunk's event collector is sent one, which alone shows whether our index takes it.
    """
    environ = os.environ if environ is None else environ
    yield from local.variables(environ)
    try:
        settings = Settings.from_env(environ)
    except SettingInvalid as unusable:
        yield error("settings", unusable.sentence, "Correct the variable; nothing else can be checked before.")
        return
    yield ok("settings", "every variable that is set can be used")
    index = collector.index if send_event else collector.unsent
    for check in (*local.CHECKS, search_head.splunk, collector.collector, index):
        yield from _made(check, settings)


def _made(check: Check, settings: Settings) -> Iterator[Finding]:
    name = check.__name__.replace("_", " ")
    try:
        yield from check(settings)
    except DltkError as failure:
        yield error(name, failure.sentence, "")
    except Exception as failure:  # noqa: BLE001 - the other checks are to be made all the same
        text = f"this check could not be made: {type(failure).__name__}: {failure}"
        yield warning(name, text, "Look at the hop by hand, and report this as a fault of 'dltk doctor'.")
