"""Options of commands that work on models, and how they find the models: in a folder, or in a container."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dltk_runtime.access.actor import on_machine
from dltk_runtime.client.errors import Unreachable
from dltk_runtime.commands import Exit
from dltk_runtime.commands._terminal import add_row, echo, make_table
from dltk_runtime.errors import NameInvalid
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.settings import ClientSettings, Settings
from dltk_runtime.store.card import CardDrift
from dltk_runtime.store.local_models import LocalModels
from dltk_runtime.store.store import ModelStore

if TYPE_CHECKING:
    from rich.table import Table

UNCUT = ("time (UTC)", "current", "fitted (UTC)", "rows", "bytes", "job")  # columns of numbers, and ids to copy
REASON_OPTION = click.option("--reason", default="", help="Why, for the model's history.")
HOME_OPTION = click.option("--home", type=click.Path(path_type=Path), help="Folder of models. [default: DLTK_HOME]")
NOTEBOOKS_OPTION = click.option(
    "--notebooks",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of notebooks. [default: DLTK_NOTEBOOKS]",
)


def with_store(function: Callable[..., None]) -> Callable[..., None]:
    """Pass the model store to a command, and add the options for its folders."""

    @HOME_OPTION
    @NOTEBOOKS_OPTION
    @wraps(function)
    def opened(home: Path | None, notebooks: Path | None, keep: int | None = None, **given: Any) -> None:
        settings = Settings.from_env(home=home, notebooks=notebooks, keep_versions=keep)
        function(ModelStore.open(settings.paths, settings.keep_versions), **given)

    return opened


def with_models(function: Callable[..., None]) -> Callable[..., None]:
    """Pass the models of a container or of a folder to a command, and add the options that name it.

    A container is asked where ``--url`` names one, or `DLTK_URL` where the folder is not needed.
    """

    @click.option("--url", help="Address of a container, in place of a folder.  [DLTK_URL]")
    @click.option("--token", help="Its token.  [DLTK_TOKEN, api_token, or a file named by DLTK_TOKEN_file]")
    @click.option("--cafile", type=click.Path(exists=True, dir_okay=False), help="Its certificate.  [DLTK_CAFILE]")
    @HOME_OPTION
    @NOTEBOOKS_OPTION
    @wraps(function)
    def connected(home: Path | None, notebooks: Path | None, *, url: str | None, **given: Any) -> None:
        token, cafile = given.pop("token"), given.pop("cafile")
        folder = home is not None or given.get("verify") or given.get("data")
        if not url and (folder or not os.environ.get("DLTK_URL")):
            settings = Settings.from_env(home=home, notebooks=notebooks)
            store = ModelStore.open(settings.paths, settings.keep_versions)
            function(_local(store, settings), **given)
            return
        from dltk_runtime.client.models import ModelsClient

        try:
            function(ModelsClient(ClientSettings.from_env(None, url=url, token=token, cafile=cafile)), **given)
        except Unreachable as error:
            echo(f"dltk: {error}", err=True)
            sys.exit(Exit.UNREACHABLE)

    return connected


def named(algorithm: str, model: str) -> ModelName:
    """Return the model that a command names.

    Raises:
        click.UsageError: it is no name.
    """
    try:
        return ModelName(algorithm, model)
    except NameInvalid as error:
        raise click.UsageError(error.sentence) from error


def named_settings() -> Settings:
    """Return the settings with the folders that the running command names."""
    given = click.get_current_context().params
    return Settings.from_env(home=given.get("home"), notebooks=given.get("notebooks"))


def _local(store: ModelStore, settings: Settings) -> LocalModels:
    """Return the models of a folder, with the drift that its servers have judged last."""
    from dltk_runtime.apply.drift_files import DriftFiles
    from dltk_runtime.apply.drift_view import for_card

    def judged(version: VersionId) -> CardDrift | None:
        return for_card(DriftFiles(settings.paths.drift, store).read(), version)

    return LocalModels(store, on_machine(), settings.keep_values, judged)


def filled(columns: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Table:
    """Make a table of rows."""
    table = make_table(*columns, unbroken=UNCUT)
    for row in rows:
        add_row(table, *row)
    return table
