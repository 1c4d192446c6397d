"""``dltk models``: list, choose, copy and remove the versions of models."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dltk_runtime.commands._terminal import add_row, echo, echo_data, make_table, show_table
from dltk_runtime.errors import NameInvalid, StoreDamaged, StoreError
from dltk_runtime.settings import Settings
from dltk_runtime.store.export import export as copy_out
from dltk_runtime.store.store import Manifest, ModelName, ModelStore, Version

if TYPE_CHECKING:
    from rich.table import Table

FLAVOURS = {"dsdl": "MLTKContainer", "aitk": "AITKContainer"}
EXAMPLES = """\b
Examples:
  dltk models                                      every model and its current version
  dltk models show pytorch_nn iris                 its versions, and details of the current one
  dltk models show pytorch_nn iris 3 --verify      compare every file with its stored hash
  dltk models rollback pytorch_nn iris             make the version before the current one current
  dltk models promote pytorch_nn iris 3            make version 3 current
  dltk models pin pytorch_nn iris --live           run the notebook as it is saved, not as it was fitted
  dltk models export pytorch_nn iris --to backup   copy its files under a DSDL container's names
  dltk models stub pytorch_nn iris --flavour aitk  print Splunk's entry for it, as a fit leaves it
  dltk models prune --keep 2                       remove old versions
"""


def with_store(function: Callable[..., None]) -> Callable[..., None]:
    """Pass the model store to a command, and add the options for its folders."""

    @click.option("--home", type=click.Path(path_type=Path), help="Folder of models. [default: DLTK_HOME]")
    @click.option("--notebooks", type=click.Path(path_type=Path), help="Folder of notebooks. [default: DLTK_NOTEBOOKS]")
    @wraps(function)
    def opened(home: Path | None, notebooks: Path | None, keep: int | None = None, **given: Any) -> None:
        settings = Settings.from_env(home=home, notebooks=notebooks, keep_versions=keep)
        function(ModelStore.open(settings.paths, settings.keep_versions), **given)

    return opened


@click.group(invoke_without_command=True, epilog=EXAMPLES)
@click.pass_context
def command(context: click.Context) -> None:
    """List, inspect and choose versions of models. Without a command: list the models."""
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@command.command("list")
@with_store
def list_models(store: ModelStore) -> None:
    """List every model with its current version."""
    names = store.models()
    if not names:
        echo("No model yet: no fit has been committed in this home. See 'dltk models list --help' for --home.")
        return
    table = make_table("algorithm", "model", "current", "versions", "fitted (UTC)", "rows", "bytes", "damage")
    for name in names:
        add_row(table, name.algorithm, name.model, *_current(store, name))
    show_table(table)


@command.command()
@click.argument("algorithm")
@click.argument("model")
@click.argument("number", type=int, required=False)
@click.option("--verify", is_flag=True, help="Compare every file with its hash.")
@with_store
def show(store: ModelStore, algorithm: str, model: str, number: int | None, verify: bool) -> None:
    """Show the versions of a model and details of one (default: the current one)."""
    name = _name(algorithm, model)
    if store.versions(name):  # first, so that it shows also when none can be used
        show_table(_history(store, name))
    version = _chosen(store, name, number)
    if version.number > 0:
        show_table(_facts(version))
    else:
        calls = f"load({version.location().load_name!r})"
        echo(f"{version}: files of an old volume, without a manifest. Apply calls {calls}.")
    if verify:
        version.verify(hashes=True)
        echo(f"{version}: every file is as it was stored.")


@command.command()
@click.argument("algorithm")
@click.argument("model")
@with_store
def rollback(store: ModelStore, algorithm: str, model: str) -> None:
    """Make the version before the current one current, until the next promoted fit."""
    echo(f"{store.rollback(_name(algorithm, model))} is current.")


@command.command()
@click.argument("algorithm")
@click.argument("model")
@click.argument("number", type=int)
@with_store
def promote(store: ModelStore, algorithm: str, model: str, number: int) -> None:
    """Make a version current; 0 stands for the files of an old volume."""
    version = store.get(_name(algorithm, model), number)
    store.promote(version)
    echo(f"{version} is current.")


@command.command()
@click.argument("algorithm")
@click.argument("model")
@click.argument("number", type=int, required=False)
@click.option("--to", type=click.Path(path_type=Path), default=".", show_default=True, help="Folder to copy into.")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@with_store
def export(store: ModelStore, algorithm: str, model: str, number: int | None, to: Path, force: bool) -> None:
    """Copy a version's files (default: the current one's) under a DSDL container's flat names."""
    version = _chosen(store, _name(algorithm, model), number)
    for path in copy_out(version, to, force=force):
        echo(path)


@command.command()
@click.argument("algorithm")
@click.argument("model")
@click.argument("number", type=int, required=False)
@click.option(
    "--flavour",
    type=click.Choice(sorted(FLAVOURS)),
    default="dsdl",
    show_default=True,
    help="Client that reads it: fit MLTKContainer (dsdl) or fit AITKContainer (aitk).",
)
@click.option("--to", type=click.Path(path_type=Path), help="Write it into this folder of lookups instead.")
@with_store
def stub(store: ModelStore, algorithm: str, model: str, number: int | None, flavour: str, to: Path | None) -> None:
    """Print Splunk's entry (__mlspl_MODEL.mlmodel) for a version (default: the current one)."""
    from dltk_runtime.emulator.mltk.request import LIMITS
    from dltk_runtime.emulator.mltk.stub import stub_of_model
    from dltk_runtime.emulator.mltk.stubs import Stubs

    version = _chosen(store, _name(algorithm, model), number)
    if not version.number:
        raise click.UsageError(
            f"{version}: files of an old volume, whose features nobody recorded. Fit the model again."
        )
    manifest = version.manifest()
    params = {"algo": algorithm} | {key: value for key, value in manifest.parameters.items() if key != "algo"}
    features, target = [feature.name for feature in manifest.features], next(iter(manifest.targets), None)
    made = stub_of_model(FLAVOURS[flavour], model, params, features, target, LIMITS)
    if to is None:
        echo_data(made.to_csv())
    else:
        Stubs(to).write(made)
        echo(Stubs(to).path(model))


@command.command()
@click.argument("algorithm", required=False)
@click.argument("model", required=False)
@click.option("--keep", type=click.IntRange(min=1), help="Newest versions to keep. [default: DLTK_KEEP_VERSIONS]")
@with_store
def prune(store: ModelStore, algorithm: str | None, model: str | None) -> None:
    """Remove old versions of one model or of all; keep the current and the newest ones."""
    if algorithm and not model:
        raise click.UsageError("Give both the algorithm and the model, or neither.")
    names = [_name(algorithm, model)] if algorithm and model else store.models()
    for name in names:
        if removed := store.prune(name):
            echo(f"{name}: removed {_numbers(removed)}.")
    for path in store.sweep():
        echo(f"{path}: removed, left by an interrupted fit.")


@command.command()
@click.argument("algorithm")
@click.argument("model")
@click.option("--live", "choice", flag_value="live", help="Run the notebook's code, as it was saved last.")
@click.option("--auto", "choice", flag_value="auto", help="As DLTK_VERSION_CODE says.")
@with_store
def pin(store: ModelStore, algorithm: str, model: str, choice: str | None) -> None:
    """Make applies run the code that the version was fitted with, also after an edit of the notebook."""
    chosen = {"auto": "", None: "pinned"}.get(choice, choice or "")
    name = _name(algorithm, model)
    store.choose_code(name, chosen)
    code = {"pinned": "the code of its version", "live": "the notebook's code"}.get(
        chosen, "what DLTK_VERSION_CODE says"
    )
    echo(f"{name}: applies run {code}.")


def _name(algorithm: str, model: str) -> ModelName:
    try:
        return ModelName(algorithm, model)
    except NameInvalid as error:
        raise click.UsageError(error.sentence) from error


def _chosen(store: ModelStore, name: ModelName, number: int | None) -> Version:
    """Return that version, or the current one."""
    return store.get(name, store.serving(name).number if number is None else number)


def _numbers(removed: list[int]) -> str:
    return f"version{'s' if len(removed) > 1 else ''} {', '.join(map(str, removed))}"


def _current(store: ModelStore, name: ModelName) -> tuple[str, ...]:
    """Return the cells of a model's row, from `current` on."""
    numbers = ""
    try:
        numbers = ", ".join(str(version.number) for version in store.versions(name))
        serving = store.choose(name)
        if not (number := serving.version.number):
            return "0", numbers, "", "", ""
        when, rows, size = _when_and_size(serving.version.manifest())
    except StoreError as error:
        return "damaged", numbers, "", "", "", error.sentence
    return str(number), numbers, when, rows, size, serving.problem


def _when_and_size(manifest: Manifest) -> tuple[str, str, str]:
    size = sum(stored.size for stored in manifest.files)
    return f"{manifest.time:%Y-%m-%d %H:%M:%S}", f"{manifest.rows:,}", f"{size:,}"


def _history(store: ModelStore, name: ModelName) -> Table:
    table = make_table("version", "fitted (UTC)", "rows", "bytes", "metrics", "job")
    serving = store.serving_or_0(name)
    for version in store.versions(name):
        mark = " current" if version.id == serving.id else ""
        try:
            manifest = version.manifest()
        except StoreDamaged as error:
            add_row(table, f"{version.number}", "damaged", "", "", error.sentence, "")
            continue
        metrics = ", ".join(f"{key}={value}" for key, value in manifest.metrics.items())
        add_row(table, f"{version.number}{mark}", *_when_and_size(manifest), metrics, manifest.job)
    return table


def _facts(version: Version) -> Table:
    manifest = version.manifest()
    table = make_table(str(version), "")
    rows = {
        "folder": [version.where],
        "sources": [f"{source.path} ({source.sha256[:12]})" for source in manifest.sources],
        "parameters": [f"{key}={value}" for key, value in manifest.parameters.items()],
        "targets": manifest.targets,
        "features": [f"{feature.name}: {feature.kind}" for feature in manifest.features],
        "libraries": [f"{name} {number}" for name, number in manifest.libraries.items()],
        "files": [f"{stored.path} ({stored.size:,} bytes)" for stored in manifest.files],
        "kept by the runtime": ["yes: the notebook's save stored nothing"] if manifest.kept_by_runtime else [],
        "notices": manifest.notices,
    }
    for title, values in rows.items():
        if values:
            add_row(table, title, "\n".join(values))
    return table
