"""``dltk diag``: write a bundle for a support case."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from dltk_runtime.commands._terminal import echo

EPILOG = """\b
The bundle holds versions, settings, what 'dltk doctor' finds, metrics, a listing of DLTK_HOME, and a summary of jobs
and models. It holds no secrets, and no values of rows: no data, no printed text, no messages, no parameters.
Of log lines it takes times, names and numbers. Read it before you send it nevertheless.

\b
Examples:
  dltk diag
  docker logs dltk 2> dltk.log; dltk diag --log dltk.log
  kubectl exec deploy/dltk -- dltk diag --output /tmp/dltk-diag.tar.gz
"""


@click.command(epilog=EPILOG, short_help="Write a bundle for a support case, without secrets.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [dltk-diag-TIME.tar.gz in this folder]",
)
@click.option(
    "--log", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File with lines of the server's log."
)
def command(output: Path | None, log: Path | None) -> None:
    """Write a bundle for a support case, without secrets and values of rows."""
    from dltk_runtime.doctor import bundle

    path = output or Path(f"dltk-diag-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    try:
        files = bundle.write(path, log=log)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror or error}.") from error
    for name, size in files.items():
        echo(f"{size:10,} bytes  {name}")
    echo(f"{path} holds them; only you can read it.")
