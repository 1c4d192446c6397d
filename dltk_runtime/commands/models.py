"""``dltk models``: list, choose, copy and remove the versions of models."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from dltk_runtime.commands import Exit, _models_removal, _onnx_export, _onnx_upload, _stub
from dltk_runtime.commands._models import REASON_OPTION, filled, named, named_settings, with_models, with_store
from dltk_runtime.commands._terminal import echo, echo_data, show_table
from dltk_runtime.errors import StoreDamaged
from dltk_runtime.onnx import DEFAULT_OPSET
from dltk_runtime.store import shown, side_by_side
from dltk_runtime.store.card_text import markdown
from dltk_runtime.store.export import export as copy_out
from dltk_runtime.store.local_models import LocalModels, Models
from dltk_runtime.store.store import ModelName, ModelStore, Version
from dltk_runtime.store.view import ModelView

EXAMPLES = """\b
Examples:
  dltk models                                      every model and its current version
  dltk models show pytorch_nn iris                 its versions, and details of the current one
  dltk models show pytorch_nn iris 3 --verify      compare every file with its stored hash
  dltk models rollback pytorch_nn iris             make the version before the current one current
  dltk models promote pytorch_nn iris 3 --reason 'fewer false alarms'
                                                   make version 3 current, and say why
  dltk models delete pytorch_nn iris --yes --reason 'never used'
                                                   remove it; its history stays
  dltk models card pytorch_nn iris > card.md       what the current version is for, its figures and limits
  dltk models history pytorch_nn iris              who fitted, promoted and rolled back, and why
  dltk models compare pytorch_nn iris 2 3          their fields, parameters and figures side by side
  dltk models pin pytorch_nn iris --live           run the notebook as it is saved, not as it was fitted
  dltk models export pytorch_nn iris --to backup   copy its files under a DSDL container's names
  dltk models export grid_search_svm iris --onnx iris.onnx --rows iris.csv
                                                   write it as ONNX, if that equals its apply on these rows
  dltk models upload iris.onnx --as iris           send that file to the AI Toolkit of a search head
  dltk models stub pytorch_nn iris --flavour aitk  print Splunk's entry for it, as a fit leaves it
  dltk models prune --keep 2                       remove old versions
"""


@click.group(invoke_without_command=True, epilog=EXAMPLES)
@click.pass_context
def command(context: click.Context) -> None:
    """List, inspect and choose versions of models. Without a command: list the models.

    It reads the folder DLTK_HOME or, where DLTK_URL or --url names a container, asks that one.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_models, url=None, token=None, cafile=None, home=None, notebooks=None)


command.add_command(_models_removal.delete)
command.add_command(_models_removal.prune)


@command.command("list")
@with_models
def list_models(models: Models) -> None:
    """List every model with its current version."""
    views = models.list()
    if not views:
        echo("No model yet: no fit has been committed there. See 'dltk models list --help' for --url and --home.")
        return
    columns = ("algorithm", "model", "current", "versions", "fitted (UTC)", "rows", "bytes", "damage")
    show_table(filled(columns, map(shown.model_cells, views)))


@command.command(short_help="Show the versions of a model and details of one.")
@click.argument("algorithm")
@click.argument("model")
@click.argument("number", type=int, required=False)
@click.option("--verify", is_flag=True, help="Compare every file with its hash; needs the folder.")
@with_models
def show(models: Models, algorithm: str, model: str, number: int | None, verify: bool) -> None:
    """Show the versions of a model and details of one (default: the current one)."""
    name = named(algorithm, model)
    view = models.get(name)
    if view.versions:  # first, so that it shows also when none can be used
        show_table(filled(("version", "fitted (UTC)", "rows", "bytes", "metrics", "job"), shown.history(view)))
    if number is None and view.current is None:
        raise StoreDamaged(view.damage)
    chosen = view.current if number is None else number
    if chosen:
        facts = shown.facts(models.version(name, chosen))
        show_table(filled((f"{name} version {chosen}", ""), facts))
    else:
        echo(f"{name} version 0: files of an old volume, without a manifest. Apply calls load({name.legacy!r}).")
    if verify:
        _verify(models, name, chosen or 0)


@command.command(short_help="Make the version before the current one current.")
@click.argument("algorithm")
@click.argument("model")
@REASON_OPTION
@with_models
def rollback(models: Models, algorithm: str, model: str, reason: str) -> None:
    """Make the version before the current one current, until the next promoted fit."""
    name = named(algorithm, model)
    _say_current(name, models.rollback(name, reason))


@command.command()
@click.argument("algorithm")
@click.argument("model")
@click.argument("number", type=int)
@REASON_OPTION
@with_models
def promote(models: Models, algorithm: str, model: str, number: int, reason: str) -> None:
    """Make a version current; 0 stands for the files of an old volume."""
    name = named(algorithm, model)
    _say_current(name, models.promote(name, number, reason))


@command.command(short_help="Show who fitted, promoted and deleted a model, and why.")
@click.argument("algorithm")
@click.argument("model")
@with_models
def history(models: Models, algorithm: str, model: str) -> None:
    """Show who fitted, promoted, rolled back and deleted a model, and why, the newest first."""
    found = models.history(named(algorithm, model))
    show_table(
        filled(("time (UTC)", "what", "version", "token", "person", "reason", "job or search"), shown.deeds(found))
    )
    if found.damaged_lines:
        echo(f"{found.damaged_lines} damaged or torn lines cannot be shown.", err=True)


@command.command(short_help="Print the model card of a version.")
@click.argument("algorithm")
@click.argument("model")
@click.argument("number", type=int, required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON. [default: Markdown]")
@with_models
def card(models: Models, algorithm: str, model: str, number: int | None, as_json: bool) -> None:
    """Print the model card of a version (default: the current one): purpose, fit, figures, fields, limits."""
    name = named(algorithm, model)
    found = models.card(name, _number(models, name, number))
    echo_data(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n" if as_json else markdown(found))


@command.command(short_help="Compare two versions of a model.")
@click.argument("algorithm")
@click.argument("model")
@click.argument("old", type=int)
@click.argument("new", type=int)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV of labelled rows: measure both on those that neither has seen, and keep the figures; needs the folder.",
)
@with_models
def compare(models: Models, algorithm: str, model: str, old: int, new: int, data: Path | None) -> None:
    """Compare two versions of a model: fields, parameters, and figures by where they come from."""
    name = named(algorithm, model)
    problem = _measure(_store_of(models, "--data"), name, (old, new), data) if data is not None else ""
    first, second = (models.version(name, number) for number in (old, new))
    show_table(filled(("", f"version {old}", f"version {new}"), side_by_side.rows(first, second)))
    echo(f"Not measured on {data}: {problem}." if problem else side_by_side.advice(first, second))
    if problem:
        sys.exit(Exit.FAILED)


@command.command(short_help="Copy a version's files, or write it as ONNX.")
@click.argument("algorithm")
@click.argument("model")
@click.argument("number", type=int, required=False)
@click.option("--to", type=click.Path(path_type=Path), default=".", show_default=True, help="Folder to copy into.")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@click.option(
    "--onnx",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the model to this ONNX file instead, once it equals the notebook's apply on rows.",
)
@click.option(
    "--rows",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV of rows to compare on.  [default: rows made from the statistics of the fit's fields]",
)
@click.option("--opset", type=click.IntRange(7), help=f"Highest opset of the ONNX file.  [default: {DEFAULT_OPSET}]")
@with_store
def export(
    store: ModelStore, algorithm: str, model: str, number: int | None, to: Path, force: bool, **as_onnx: Any
) -> None:
    """Copy a version's files (default: the current one's) under a DSDL container's flat names, or write it as ONNX."""
    version = _chosen(store, named(algorithm, model), number)
    if as_onnx["onnx"] is not None:
        _onnx_export.export(named_settings(), store, version, force=force, **as_onnx)
        return
    if as_onnx["rows"] or as_onnx["opset"]:
        raise click.UsageError("--rows and --opset belong to --onnx FILE.")
    for path in copy_out(version, to, force=force):
        echo(path)


command.add_command(_onnx_upload.upload)


@command.command(short_help="Print Splunk's entry for a version of a model.")
@click.argument("algorithm")
@click.argument("model")
@click.argument("number", type=int, required=False)
@click.option(
    "--flavour",
    type=click.Choice(sorted(_stub.FLAVOURS)),
    default="dsdl",
    show_default=True,
    help="Client that reads it: fit MLTKContainer (dsdl) or fit AITKContainer (aitk).",
)
@click.option("--to", type=click.Path(path_type=Path), help="Write it into this folder of lookups instead.")
@click.option("--spl", is_flag=True, help="Print a search that makes the entry and trains nothing.")
@with_models
def stub(
    models: Models, algorithm: str, model: str, number: int | None, flavour: str, to: Path | None, spl: bool
) -> None:
    """Print Splunk's entry (__mlspl_MODEL.mlmodel) for a version (default: the current one)."""
    name = named(algorithm, model)
    if not (chosen := _number(models, name, number)):
        raise click.UsageError(
            f"{name} version 0: files of an old volume, whose features nobody recorded. Fit the model again."
        )
    _stub.show(name, models.version(name, chosen).manifest, flavour, to, spl=spl)


@command.command(short_help="Choose the code that applies of a model run.")
@click.argument("algorithm")
@click.argument("model")
@click.option("--live", "choice", flag_value="live", help="Run the notebook's code, as it was saved last.")
@click.option("--auto", "choice", flag_value="auto", help="As DLTK_VERSION_CODE says.")
@with_models
def pin(models: Models, algorithm: str, model: str, choice: str | None) -> None:
    """Make applies run the code that the version was fitted with, also after an edit of the notebook."""
    chosen = {"auto": "", None: "pinned"}.get(choice, choice or "")
    name = named(algorithm, model)
    models.choose_code(name, chosen)
    code = {"pinned": "the code of its version", "live": "the notebook's code"}.get(
        chosen, "what DLTK_VERSION_CODE says"
    )
    echo(f"{name}: applies run {code}.")


def _number(models: Models, name: ModelName, number: int | None) -> int:
    """Return that number, or that of the current version: 0 for files of an old volume.

    Raises:
        StoreDamaged: no number is given, and no version can be used.
    """
    if number is not None:
        return number
    view = models.get(name)
    if view.current is None:
        raise StoreDamaged(view.damage)
    return view.current


def _chosen(store: ModelStore, name: ModelName, number: int | None) -> Version:
    """Return that version, or the current one."""
    return store.get(name, store.serving(name).number if number is None else number)


def _store_of(models: Models, option: str) -> ModelStore:
    """Return the store of a folder; a container cannot do what `option` asks.

    Raises:
        click.UsageError: the models are a container's.
    """
    if not isinstance(models, LocalModels):
        raise click.UsageError(f"{option} needs the folder of models: give --home, or run it in the container.")
    return models.store


def _verify(models: Models, name: ModelName, number: int) -> None:
    version = _store_of(models, "--verify").get(name, number)
    version.verify(hashes=True)
    echo(f"{version}: every file is as it was stored.")


def _measure(store: ModelStore, name: ModelName, numbers: tuple[int, int], data: Path) -> str:
    from dltk_runtime.fit.measuring import Measuring

    settings = named_settings()
    old, new = (store.get(name, number) for number in numbers)
    return asyncio.run(Measuring(settings, store).measure(new, old, data)).problem


def _say_current(name: ModelName, view: ModelView) -> None:
    echo(f"{name} version {view.current} is current.")
    if view.notice:
        echo(view.notice)
