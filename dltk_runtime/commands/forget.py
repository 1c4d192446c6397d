"""``dltk forget``: remove a model with everything that the home keeps of it."""

from __future__ import annotations

from pathlib import Path

import click

from dltk_runtime.access.actor import Actor, on_machine
from dltk_runtime.commands._models import HOME_OPTION, NOTEBOOKS_OPTION, REASON_OPTION
from dltk_runtime.commands._terminal import add_row, echo, make_table, show_table
from dltk_runtime.errors import NameInvalid
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.settings import Settings
from dltk_runtime.volume.forget import Forgetting, FoundOfModel, names_of

EXAMPLES = """\b
Examples:
  dltk forget pytorch_nn/iris              list what there is of the model, and remove nothing
  dltk forget pytorch_nn/iris --yes        remove it
  dltk forget iris --yes                   the models of that name of every algorithm
"""


@click.command(epilog=EXAMPLES, short_help="Remove a model with its rows, pictures and jobs.")
@click.argument("model", metavar="[ALGORITHM/]MODEL")
@click.option("--yes", is_flag=True, help="Remove it; without this nothing is removed.")
@click.option("--old-files", is_flag=True, help="Also files of an old container's volume.")
@REASON_OPTION
@HOME_OPTION
@NOTEBOOKS_OPTION
def command(model: str, yes: bool, old_files: bool, reason: str, home: Path | None, notebooks: Path | None) -> None:
    """Remove the versions of a model, and the rows, pictures, jobs and events of it. Servers may go on meanwhile.

    Its numbers stay used, and its history says that it was forgotten. Backups and Splunk keep what they have.
    """
    settings = Settings.from_env(home=home, notebooks=notebooks)
    try:
        names = names_of(model, settings.paths)
    except NameInvalid as error:
        raise click.UsageError(error.sentence) from error
    jobs = JobStore(settings.paths, settings.keep_jobs, settings.log_bytes)
    forgetting = Forgetting(settings.paths, jobs, names, old_files=old_files)
    found = forgetting.find()
    table = make_table("model", "what", "files", "bytes", "stays", unbroken=("bytes",))
    for each in found:
        files = f"{each.places[0]}{f' and {len(each.places) - 1} more' if len(each.places) > 1 else ''}"
        add_row(table, str(each.name), str(each.kind), files, f"{each.size:,}", each.stays)
    show_table(table)
    _end(forgetting, found, on_machine().because(reason) if yes else None)


def _end(forgetting: Forgetting, found: list[FoundOfModel], actor: Actor | None) -> None:
    if actor is None:
        echo("Nothing was removed. Repeat it with --yes to remove what does not stay.")
        return
    forgetting.remove(found, actor)
    echo("Removed. A worker that has the model in memory ends when its place is needed, or with the server.")
