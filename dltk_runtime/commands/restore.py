"""``dltk restore``: put a backup in place."""

from __future__ import annotations

from pathlib import Path

import click

from dltk_runtime.commands._models import HOME_OPTION
from dltk_runtime.commands._terminal import echo
from dltk_runtime.settings import Settings
from dltk_runtime.texts import counted
from dltk_runtime.volume import record, restore

EXAMPLES = """\b
Examples:
  dltk restore /backup/2026-11-30 --verify                     into DLTK_HOME and DLTK_NOTEBOOKS
  dltk restore /backup/2026-11-30 --home /new --notebooks /new/notebooks
  dltk restore /backup/2026-11-30 --dry-run                    only compare the backup with its hashes
"""


@click.command(epilog=EXAMPLES, short_help="Copy a backup into DLTK_HOME and the notebooks.")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@HOME_OPTION
@click.option("--notebooks", type=click.Path(path_type=Path), help="Folder of notebooks. [default: DLTK_NOTEBOOKS]")
@click.option("--verify", is_flag=True, help="Read every restored file again, and compare versions with manifests.")
@click.option("--set-aside", is_flag=True, help="Move what is there into a hidden folder beside it.")
@click.option("--dry-run", is_flag=True, help="Compare every file of the backup with its hash; write nothing.")
def command(
    folder: Path, home: Path | None, notebooks: Path | None, verify: bool, set_aside: bool, dry_run: bool
) -> None:
    """Copy the backup in DIR into DLTK_HOME and the folder of notebooks, while no server runs there.

    Every file is compared with its hash before anything is written. What is in these folders is never overwritten.
    """
    found = record.read(folder)
    restore.check(folder, found)
    files = counted(len(found.files), "file")
    echo(f"{folder}: {files} as they were on {found.time:%Y-%m-%d %H:%M:%S} UTC, all whole.")
    for problem in found.problems:
        echo(f"PROBLEM: {problem}", err=True)
    if dry_run:
        return
    paths = Settings.from_env(home=home, notebooks=notebooks).paths
    done = restore.restore(folder, found, paths, set_aside=set_aside)
    for place in done.set_aside:
        echo(f"What was there is in {place}.")
    what = f"{counted(found.models, 'model')} with {counted(found.versions, 'version')}, {counted(found.jobs, 'job')}"
    echo(f"Restored: {what} in {paths.home}{f' and {paths.objects}' if paths.objects else ''}.")
    if verify:
        restore.verify(folder, found, paths)
        versions = "versions were not compared, as the backup has the problems above"
        whole = "every version is as its fit stored it"
        echo(f"Verified: every file was read again, and {versions if found.problems else whole}.")
