"""``dltk doctor``: check every hop from Splunk to the notebooks, with advice for each problem."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from dltk_runtime.commands import Exit
from dltk_runtime.commands._terminal import echo
from dltk_runtime.doctor import examine
from dltk_runtime.doctor.app_folder import app_folder
from dltk_runtime.doctor.finding import Finding, Located, Severity, document_of, worst

EPILOG = """\b
It checks settings, token, certificate, ports, volume, notebooks and GPU. Where splunk_access_… and splunk_hec_… are
set, it also checks Splunk's REST API, clock, permissions, apps and limits, the capabilities of the owners of scheduled
searches that call the container, the stanzas of DSDL or the AI Toolkit on every member, the address that each model's
name leads to there, and the HTTP Event Collector. It changes nothing, and sends an event only with --send-event.

\b
With --app it checks only the files of an app's folder, mltk-container (containers.conf) or Splunk_ML_Toolkit
(dsdl_container.conf, container_connections.conf), and the container that they name.

\b
Exit codes: 0 no problem; 1 an error, searches fail; 4 a warning.

\b
Examples:
  dltk doctor
  docker exec dltk dltk doctor
  dltk doctor --app $SPLUNK_HOME/etc/apps/Splunk_ML_Toolkit
  dltk doctor --json
  dltk doctor --url http://dltk:5000
"""
COLOURS = {Severity.OK: "green", Severity.SKIPPED: "blue", Severity.UNKNOWN: "blue"}
COLOURS |= {Severity.WARNING: "yellow", Severity.ERROR: "red"}
CODES = {Severity.UNKNOWN: Exit.WARNINGS, Severity.WARNING: Exit.WARNINGS, Severity.ERROR: Exit.FAILED}


@click.command(epilog=EPILOG)
@click.option("--url", help="Check the container at this address, not this machine.  [DLTK_URL]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
@click.option("--send-event", is_flag=True, help="Send the collector one event, to check its index.")
@click.option(
    "--app", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Check only this app's files."
)
def command(url: str | None, as_json: bool, send_event: bool, app: Path | None) -> None:
    """Check every hop from Splunk to the notebooks."""
    environ = {**os.environ, **({"DLTK_URL": url} if url else {})}
    found = app_folder(app) if app else examine.examine(environ, send_event=send_event)
    findings = list(printed(found, quiet=as_json))
    if as_json:
        echo(json.dumps(document_of(findings), indent=2))
    sys.exit(CODES.get(worst(findings), Exit.OK))


def printed(findings: Iterable[Finding], *, quiet: bool) -> Iterable[Finding]:
    """Yield each finding, printed at once unless `quiet`."""
    for finding in findings:
        if not quiet:
            mark = click.style(f"{finding.severity:8}", fg=COLOURS[finding.severity])
            where = f" [{finding.where}]" if isinstance(finding, Located) else ""
            echo(f" {finding.check:12} {finding.text}{where}", mark=mark)
            if finding.advice:
                echo(f"{'':21} → {finding.advice}")
        yield finding
