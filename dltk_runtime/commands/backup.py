"""``dltk backup``: copy a home while servers use it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dltk_runtime.commands import Exit
from dltk_runtime.commands._models import HOME_OPTION, NOTEBOOKS_OPTION
from dltk_runtime.commands._terminal import echo
from dltk_runtime.settings import Settings
from dltk_runtime.texts import counted
from dltk_runtime.volume.backup import back_up
from dltk_runtime.volume.record import LEFT_OUT

EXAMPLES = """\b
Examples:
  dltk backup /backup/2026-11-30                 models, jobs, staged data, pictures and notebooks
  dltk restore /backup/2026-11-30 --dry-run      compare every file of it with its hash
"""


@click.command(epilog=EXAMPLES, short_help="Copy models, jobs and notebooks into a new folder.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@HOME_OPTION
@NOTEBOOKS_OPTION
def command(folder: Path, home: Path | None, notebooks: Path | None) -> None:
    """Copy DLTK_HOME and the notebooks into DIR, which is new or empty. Servers may go on meanwhile.

    The copy is as of its end: each model's current version is in it. It exits with 1 when a version was
    damaged already, or a file could not be read; the rest is in the copy.
    """
    record = back_up(Settings.from_env(home=home, notebooks=notebooks).paths, folder)
    echo(
        f"{folder}: {counted(record.models, 'model')} with {counted(record.versions, 'version')}, "
        f"{counted(record.jobs, 'job')}; {counted(len(record.files), 'file')}, {counted(record.size, 'byte')}."
    )
    echo(f"Not in it: {', '.join(LEFT_OUT)} of the home" + "".join(f", {path}" for path in record.left_out) + ".")
    for problem in record.problems:
        echo(f"PROBLEM: {problem}", err=True)
    if record.problems:
        sys.exit(Exit.FAILED)
