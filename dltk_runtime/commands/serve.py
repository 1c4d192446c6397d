"""``dltk serve``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from dltk_runtime import handover
from dltk_runtime.settings import VARIABLES, Settings, secret_files


def variables() -> str:
    """All variables of the environment with what they do, for the help text."""
    width = max(map(len, VARIABLES))
    return "\n".join(f"  {each.name:{width}}  {each.help}" for each in VARIABLES.values())


@click.command(
    epilog="\b\nVariables of the environment:\n"
    + variables()
    + "\n\n\b\nExample:\n  api_token=change-me dltk serve --port 5000 --notebooks notebooks"
)
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 for a free one.")
@click.option("--home", type=click.Path(path_type=Path), help="Folder for models, jobs and certificates.")
@click.option(
    "--notebooks", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder with the notebooks."
)
def command(host: str | None, port: int | None, home: Path | None, notebooks: Path | None) -> None:
    """Serve notebooks to Splunk's fit, apply and summary."""
    from dltk_runtime.server.serve import serve

    os.environ.update(handover.take(os.environ, once=True))  # in the image; elsewhere there are none
    serve(Settings.from_env(host=host, port=port, home=home, notebooks=notebooks), secret_files())
