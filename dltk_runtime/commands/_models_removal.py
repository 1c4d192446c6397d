"""The commands of ``dltk models`` that remove: whole models, and old versions."""

from __future__ import annotations

import click

from dltk_runtime.access.actor import on_machine
from dltk_runtime.commands._models import REASON_OPTION, named, with_models, with_store
from dltk_runtime.commands._terminal import echo
from dltk_runtime.store.local_models import LocalModels, Models
from dltk_runtime.store.store import ModelStore
from dltk_runtime.texts import counted


@click.command(short_help="Remove a model with all its versions, or one version.")
@click.argument("algorithm")
@click.argument("model")
@click.argument("number", type=int, required=False)
@click.option("--yes", is_flag=True, help="Remove it; without this nothing is removed.")
@REASON_OPTION
@with_models
def delete(models: Models, algorithm: str, model: str, number: int | None, yes: bool, reason: str) -> None:
    """Remove a model with all its versions, or one version; history, jobs and staged rows stay.

    'dltk forget' removes the latter too. A version that is current, or was so before, stays.
    """
    name = named(algorithm, model)
    view = models.get(name)
    what = f"{name}: {counted(len(view.versions), 'version') if number is None else f'version {number}'}"
    if not yes:
        echo(f"{what}. Nothing was removed; repeat it with --yes to remove {'the model' if number is None else 'it'}.")
        return
    models.delete(name, reason) if number is None else models.delete_version(name, number, reason)
    echo(f"{what} removed.")


@click.command(short_help="Remove old versions of one model or of all.")
@click.argument("algorithm", required=False)
@click.argument("model", required=False)
@click.option("--keep", type=click.IntRange(min=1), help="Newest versions to keep. [default: DLTK_KEEP_VERSIONS]")
@with_store
def prune(store: ModelStore, algorithm: str | None, model: str | None) -> None:
    """Remove old versions of one model or of all; keep the current and the newest ones."""
    if algorithm and not model:
        raise click.UsageError("Give both the algorithm and the model, or neither.")
    names = [named(algorithm, model)] if algorithm and model else store.models()
    if model:
        LocalModels(store, on_machine()).get(names[0])  # an unknown model is said to be unknown
    removed = [(name, store.prune(name)) for name in names]
    left = store.sweep()
    for name, numbers in removed:
        if numbers:
            echo(f"{name}: removed version{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}.")
    for path in left:
        echo(f"{path}: removed, left by an interrupted fit.")
    if not left and not any(numbers for _, numbers in removed):
        echo("Nothing to remove.")
