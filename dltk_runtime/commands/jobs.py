"""``dltk jobs``: list, watch and cancel the fits of a container."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dltk_runtime.client.errors import Unreachable
from dltk_runtime.commands import Exit
from dltk_runtime.commands._terminal import add_row, console, echo, make_table, show_table
from dltk_runtime.settings import ClientSettings

if TYPE_CHECKING:
    from dltk_runtime.client.jobs import JobsClient
    from dltk_runtime.jobs.view import JobView

EXAMPLES = """\b
Examples:
  dltk jobs                    every job, the newest first
  dltk jobs watch JOB          its progress, live, until it ends
  dltk jobs show JOB --log     its details, and the output of its code
  dltk jobs cancel JOB         cancel it; no version is stored
"""
SHOW_CURSOR = b"\x1b[?25h"
UNCUT = ("job", "started (UTC)", "took", "progress")  # columns of ids and numbers
SPARKS = "▁▂▃▄▅▆▇█"


def with_client(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name the container, and pass its `JobsClient` to the command."""

    @click.option("--url", help="Address of the container.  [DLTK_URL; http://127.0.0.1:5000]")
    @click.option("--token", help="Its token.  [DLTK_TOKEN, api_token, or a file named by DLTK_TOKEN_file]")
    @click.option("--cafile", type=click.Path(exists=True, dir_okay=False), help="Its certificate.  [DLTK_CAFILE]")
    @wraps(function)
    def connected(url: str | None, token: str | None, cafile: str | None, **given: Any) -> None:
        from dltk_runtime.client.jobs import JobsClient

        settings = ClientSettings.from_env(None, url=url, token=token, cafile=cafile)
        try:
            function(JobsClient(settings), **given)
        except Unreachable as error:
            echo(f"dltk: {error}", err=True)
            sys.exit(Exit.UNREACHABLE)

    return connected


@click.group(invoke_without_command=True, epilog=EXAMPLES, short_help="List, watch and cancel the fits of a container.")
@click.pass_context
def command(context: click.Context) -> None:
    """List, watch and cancel the fits of a container; without a command, list them."""
    if context.invoked_subcommand is None:
        context.invoke(list_jobs, url=None, token=None, cafile=None)


@command.command("list")
@with_client
def list_jobs(jobs: JobsClient) -> None:
    """List all jobs, newest first."""
    views = jobs.list()
    if not views:
        echo("No jobs: nothing was fitted on this container yet.")
        return
    titles = ("job", "algorithm", "model", "state", "started (UTC)", "took", "progress", "version", "reason")
    table = make_table(*titles, unbroken=UNCUT)
    for each in views:
        version = f"{each.version}{'' if each.promoted else ' (not current)'}" if each.version else ""
        started = f"{each.started:%Y-%m-%d %H:%M:%S}" if each.started else ""
        cells = (each.id, each.algorithm, each.model, _state(each), started, _took(each), _progress(each), version)
        add_row(table, *cells, _reason(each))
    show_table(table)


@command.command()
@click.argument("job")
@click.option("--log", is_flag=True, help="Also print the output of its code.")
@with_client
def show(jobs: JobsClient, job: str, log: bool) -> None:
    """Show the details of one job."""
    view = jobs.get(job)
    for name, text in _facts(view):
        echo(f"{name:12}{text}")
    for name, values in _series(jobs.metrics(job)).items():
        echo(f"{name:12}{_spark(values)}  {values[0]:.4g} → {values[-1]:.4g}")
    if view.error is not None and view.error.traceback:
        echo("\n" + view.error.traceback)
    if log:
        echo("\n" + jobs.log(job), nl=False)


@command.command(short_help="Follow one job until it ends.")
@click.argument("job")
@with_client
def watch(jobs: JobsClient, job: str) -> None:
    """Follow one job until it ends; the exit code is 0 when it succeeded."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.fields[state]}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[steps]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[metrics]}", markup=False),
    )
    signal.signal(signal.SIGINT, _leave)
    if not sys.stdout.isatty():
        _watch_in_lines(jobs, job)
    with Progress(*columns, console=console()) as progress:
        bar = progress.add_task("", total=None, state="", steps="", metrics="")
        for view in jobs.watch(job):
            figures = "  ".join(f"{name} {value:.4g}" for name, value in view.metrics.items())
            fields: dict[str, Any] = {"state": _state(view), "steps": _progress(view), "metrics": figures}
            done = view.total if view.state == "succeeded" else view.step
            progress.update(bar, completed=done, total=view.total or None, **fields)
    echo(view.message)
    sys.exit(Exit.OK if view.state == "succeeded" else Exit.FAILED)


@command.command()
@click.argument("job")
@with_client
def cancel(jobs: JobsClient, job: str) -> None:
    """Cancel one job; it stores no version."""
    jobs.cancel(job)
    for view in jobs.watch(job):
        state = view.state
    echo(f"Job {job} is {state}.")


def _watch_in_lines(jobs: JobsClient, job: str) -> NoReturn:
    """Print a line at each change, where no bar can be drawn; exit as `watch`."""
    last = ""
    for view in jobs.watch(job):
        parts = (_state(view), _progress(view), *(f"{name} {value:.4g}" for name, value in view.metrics.items()))
        if (line := "  ".join(filter(None, parts))) != last:
            echo(line)
            sys.stdout.flush()
            last = line
    echo(view.message)
    sys.exit(Exit.OK if view.state == "succeeded" else Exit.FAILED)


def _leave(*_: object) -> NoReturn:
    """Exit at once on Ctrl-C, without an exception, which rich's thread could swallow.

    The job continues.
    """
    os.write(1, SHOW_CURSOR + b"\n")
    os._exit(128 + signal.SIGINT)


def _state(view: JobView) -> str:
    if view.place:
        return f"queued, place {view.place}"
    return f"{view.state}: {view.phase}" if view.state == "running" and view.phase else view.state


def _progress(view: JobView) -> str:
    """Return the steps done; a job that has succeeded is at its end, whatever it reported last."""
    if not view.total:
        return "100 %" if view.state == "succeeded" else ""
    done = view.total if view.state == "succeeded" else view.step
    return f"{done:g}/{view.total:g}, {done / view.total:.0%}".replace("%", " %")


def _took(view: JobView) -> str:
    """Return how long the job has run: ``3.2 s``, ``2 min 5 s``, ``1 h 2 min``."""
    if view.started is None:
        return ""
    seconds = ((view.ended or datetime.now(UTC)) - view.started).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _reason(view: JobView) -> str:
    """Return why a job did not succeed, in one line; "" if it did, or has not ended."""
    text = view.error.sentence if view.error is not None else view.message
    return "" if view.state in ("succeeded", "running", "queued") else " ".join(text.split())


def _facts(view: JobView) -> list[tuple[str, str]]:
    parameters = " ".join(f"{name}={value}" for name, value in view.parameters.items())
    phases = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in view.phases.items())
    facts = [
        ("job", view.id),
        ("algorithm", view.algorithm),
        ("model", view.model),
        ("state", _state(view)),
        ("parameters", parameters),
        ("created", f"{view.created:%Y-%m-%d %H:%M:%S} UTC"),
        ("started", f"{view.started:%Y-%m-%d %H:%M:%S} UTC" if view.started else ""),
        ("took", _took(view)),
        ("rows", "" if view.rows is None else f"{view.rows:,}"),
        ("progress", _progress(view)),
        ("phases", phases),
        ("version", "" if view.version is None else f"{view.version}{'' if view.promoted else ' (not current)'}"),
        ("message", view.message),
    ]
    return [(name, text) for name, text in facts if text]


def _series(steps: list[dict[str, float]]) -> dict[str, list[float]]:
    """Return the values of each metric over the steps."""
    names = dict.fromkeys(name for step in steps for name in step if name != "step")
    return {name: [step[name] for step in steps if name in step] for name in names}


def _spark(values: list[float], width: int = 40) -> str:
    """Draw values as a sparkline of at most `width` characters."""
    chosen = [values[index * len(values) // min(width, len(values))] for index in range(min(width, len(values)))]
    low, high = min(chosen), max(chosen)
    scale = (len(SPARKS) - 1) / (high - low) if high > low else 0
    return "".join(SPARKS[round((value - low) * scale)] for value in chosen)
