"""``dltk serve``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dltk_runtime import handover
from dltk_runtime.settings import VARIABLES, Settings, secret_files

if TYPE_CHECKING:
    from dltk_runtime.service.checks import CheckResult


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
    settings = Settings.from_env(host=host, port=port, home=home, notebooks=notebooks)
    serve(settings, secret_files(), lambda: checked(settings))


def checked(settings: Settings) -> Iterator[CheckResult]:
    """Yield what the doctor finds quickly, for the console."""
    from dltk_runtime.doctor.quick import quick
    from dltk_runtime.service.checks import CheckResult

    for each in quick(settings):
        yield CheckResult(each.check, str(each.severity), each.text, each.advice)
