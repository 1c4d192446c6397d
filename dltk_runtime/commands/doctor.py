"""``dltk doctor``: check every hop from Splunk to the notebooks, and say what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

import click

from dltk_runtime.commands import Exit
from dltk_runtime.doctor import examine
from dltk_runtime.doctor import finding as shape
from dltk_runtime.doctor.finding import Finding, Severity, worst

EPILOG = """\b
Checked are: settings, token, certificate, ports, volume, notebooks, GPU; and, where splunk_access_… and splunk_hec_…
are set, Splunk's REST API, clock, rights, apps, limits, the capabilities of those who own scheduled searches that
call the container, the stanza in containers.conf on every member, and the HTTP Event Collector. Nothing is changed,
and no event is sent but by --send-event.

\b
Exit codes: 0 nothing to do; 1 an error, searches fail; 4 a warning.

\b
Examples:
  dltk doctor
  docker exec dltk dltk doctor
  dltk doctor --json
"""
COLOURS = {Severity.OK: "green", Severity.SKIPPED: "blue", Severity.WARNING: "yellow", Severity.ERROR: "red"}
CODES = {Severity.WARNING: Exit.WARNINGS, Severity.ERROR: Exit.FAILED}


@click.command(epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
@click.option("--send-event", is_flag=True, help="Send the collector one event, to see whether our index takes it.")
def command(as_json: bool, send_event: bool) -> None:
    """Check every hop from Splunk to the notebooks."""
    findings = list(shown(examine.examine(send_event=send_event), quiet=as_json))
    if as_json:
        click.echo(json.dumps(shape.as_json(findings), indent=2))
    sys.exit(CODES.get(worst(findings), Exit.OK))


def shown(findings: Iterable[Finding], *, quiet: bool) -> Iterable[Finding]:
    """Each finding, printed as soon as it is made unless `quiet`."""
    for finding in findings:
        if not quiet:
            mark = click.style(f"{finding.severity:8}", fg=COLOURS[finding.severity])
            click.echo(f"{mark} {finding.check:12} {finding.text}")
            if finding.advice:
                click.echo(f"{'':21} → {finding.advice}")
        yield finding
