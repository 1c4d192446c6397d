"""``dltk tokens``: make, list and remove named tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dltk_runtime.access import file
from dltk_runtime.access.errors import TokenInvalid, TokensDamaged
from dltk_runtime.access.file import TokenEntry
from dltk_runtime.access.holder import Right
from dltk_runtime.commands import Number
from dltk_runtime.commands._terminal import add_row, echo, echo_data, make_table, show_table
from dltk_runtime.settings import Settings
from dltk_runtime.texts import counted

EXAMPLES = """\b
Examples:
  dltk tokens new dashboards --right apply --models 'sales_*'   print a new token, once
  dltk tokens new trainers --right fit --right apply --fits 2   with a bound on fits at once
  dltk tokens new dashboards --rotate                           a second value beside the first
  dltk tokens remove dashboards --old                           end the first value
  dltk tokens                                                   who may do what
"""
FILE_OPTION = click.option(
    "--file", "given", type=click.Path(path_type=Path, dir_okay=False), help="File of tokens.  [DLTK_TOKENS_FILE]"
)


@click.group(invoke_without_command=True, epilog=EXAMPLES, short_help="Make, list and remove named tokens.")
@click.pass_context
def command(context: click.Context) -> None:
    """Make, list and remove named tokens; without a command, list them.

    The file keeps the SHA-256 of each token. A server reads it again when it changes.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_tokens, given=None)


@command.command()
@click.argument("name")
@click.option(
    "--right",
    "rights",
    multiple=True,
    type=click.Choice([str(each) for each in Right]),
    help="What it may do; several times.",
)
@click.option("--models", multiple=True, help="Pattern of its models, such as 'sales_*' or 'umap/*'.  [default: *]")
@click.option("--fits", type=click.IntRange(min=0), help="Bound: fits at the same time.")
@click.option("--queue", type=click.IntRange(min=0), help="Bound: asynchronous fits that wait.")
@click.option("--gpu-seconds", type=Number(min=0), help="Bound: seconds on GPUs of one day (UTC).")
@click.option("--disk", help="Bound: size of all its versions, such as 20G.")
@click.option("--rotate", is_flag=True, help="Add a second value to a token that exists; its rights stay.")
@FILE_OPTION
def new(given: Path | None, name: str, rights: tuple[str, ...], *, rotate: bool, **rest: Any) -> None:
    """Add a token and print it, once; it is kept nowhere."""
    rest["models"] = rest["models"] or None
    chosen = {key: value for key, value in rest.items() if value is not None}
    if rotate and (rights or chosen):
        raise click.UsageError("--rotate keeps the rights and bounds that the token has.")
    if not rights and not rotate:
        raise click.UsageError(f"Give its rights: --right {' or --right '.join(Right)}.")
    entry = TokenEntry(name=name, values=[], rights=[Right(each) for each in dict.fromkeys(rights)], **chosen)
    path = _file(given)
    try:
        token = file.add(path, entry, rotate=rotate)
    except TokenInvalid as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise TokensDamaged(path, f"it cannot be written: {error.strerror or error}.") from error
    echo_data(f"{token}\n")
    echo(f"'{name}' is in {path}. This is shown once: keep it where the client reads it.", err=True)


@command.command("list", short_help="List the tokens with their rights and bounds.")
@FILE_OPTION
def list_tokens(given: Path | None) -> None:
    """List the tokens with their rights and bounds; none of them can be shown."""
    table = make_table("name", "rights", "models", "bounds", "made (UTC)", unbroken=("made (UTC)",))
    for entry in file.load(_file(given))[0]:
        bounds = {"fits": entry.fits, "queue": entry.queue, "gpu_seconds": entry.gpu_seconds, "disk": entry.disk}
        shown = ", ".join(f"{name} {value}" for name, value in bounds.items() if value is not None)
        made = ", ".join(f"{each.made:%Y-%m-%d %H:%M}" if each.made else "by hand" for each in entry.values)
        add_row(table, entry.name, ", ".join(entry.rights), ", ".join(entry.models), shown, made)
    show_table(table)


@command.command(short_help="Remove a token, or its older values.")
@click.argument("name")
@click.option("--old", is_flag=True, help="Remove only its older values: the newest goes on.")
@FILE_OPTION
def remove(given: Path | None, name: str, *, old: bool) -> None:
    """Remove a token: it counts no more as soon as the servers have read the file, in seconds."""
    path = _file(given)
    try:
        count = file.remove(path, name, old=old)
    except OSError as error:
        raise TokensDamaged(path, f"it cannot be written: {error.strerror or error}.") from error
    what = f"{counted(count, 'older value')} of '{name}'" if old else f"'{name}'"
    echo(f"{what} removed from {path}.")


def _file(given: Path | None) -> Path:
    path = given or Settings.from_env().tokens_file
    if path is None:
        raise click.UsageError("No file of tokens: give --file, or set DLTK_TOKENS_FILE.")
    return path
