"""The command line ``dltk``.

Each command is a module of `dltk_runtime.commands`. It is imported only when it is called or its
help is shown, so that the command line starts fast.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import click

from dltk_runtime import commands, handover
from dltk_runtime.commands import _terminal
from dltk_runtime.errors import DltkError
from dltk_runtime.settings import umask

EXAMPLES = """\b
Examples:
  dltk check pytorch_nn       list the problems of a notebook, by cell and line
  dltk serve                  answer Splunk's fit, apply and summary
  dltk search '| inputlookup iris.csv | fit MLTKContainer algo=pytorch_nn
      species from petal_* into app:iris'
  dltk models                 list the models and their versions

'dltk COMMAND --help' shows a command's options and more examples.
"""
AUTHORS_COMMANDS = {"flow", "new"}  # they write files that people pass on; all others write to the home


class Commands(click.Group):
    """Command group over the modules of `dltk_runtime.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """List the names of all commands without importing them."""
        folder = Path(commands.__file__).parent
        return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Import a command.

        Raises:
            NoSuchCommand: with the closest known names.
        """
        known = self.list_commands(ctx)
        if cmd_name not in known:
            raise click.NoSuchCommand(cmd_name, possibilities=known, ctx=ctx)
        command: click.Command = importlib.import_module(f"{commands.__name__}.{cmd_name}").command
        return command


@click.group(cls=Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def dltk(ctx: click.Context) -> None:
    """Serve Jupyter notebooks to Splunk's fit, apply and summary."""
    if ctx.invoked_subcommand not in AUTHORS_COMMANDS:
        os.umask(umask())


def main() -> None:
    """Run the command line; print a `DltkError`, or a file's error, as one line on stderr, and exit with its code."""
    handover.hide()
    try:
        dltk(prog_name="dltk")
    except DltkError as error:
        _terminal.echo(f"dltk: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:  # no file that the command line named: its place is worth a traceback
            raise
        _terminal.echo(f"dltk: {error.filename}: {error.strerror}. Check the path and its permissions.", err=True)
        sys.exit(commands.Exit.FAILED)


if __name__ == "__main__":
    main()
