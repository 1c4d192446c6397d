"""``make demo``: trains and applies a PyTorch and a Keras model by the requests that Splunk sends.

Starts the runtime on a free port, with a random token and a home that is thrown away, and runs searches against
it as a person would type them. Exits non-zero when anything fails or a model is right on under 90% of new rows.
"""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
DLTK = str(Path(sys.executable).with_name("dltk"))
ENOUGH = 0.9
START_SECONDS = 60
STOP_SECONDS = 30

Row = dict[str, str]
console = Console(highlight=False)


class DemoFailed(Exception):
    """What went wrong, as a sentence."""


@dataclass(frozen=True, slots=True)
class Example:
    """One model: a search that trains it, one that applies it to rows it has not seen, and when such a row is right."""

    title: str
    fit: str
    apply: str
    right: Callable[[Row], bool]


IRIS = Example(
    "PyTorch: the species of a flower",
    "| inputlookup iris_train.csv "
    "| fit MLTKContainer algo=pytorch_nn epochs=100 species from petal_length petal_width sepal_length sepal_width "
    "into app:iris "
    "| table species predicted_species | head 3",
    "| inputlookup iris_test.csv | apply iris | table species predicted_species probability_*",
    lambda row: row["species"] == row["predicted_species"],
)
CANCER = Example(
    "Keras: whether a tumour is malignant",
    "| inputlookup breast_cancer_train.csv "
    '| fit MLTKContainer algo=binary_nn_classifier epochs=30 structure="2-2" is_malignant from mean_* worst_* '
    "into app:breast_cancer "
    "| table is_malignant predicted_is_malignant | head 3",
    "| inputlookup breast_cancer_test.csv | apply breast_cancer | table is_malignant predicted_is_malignant",
    lambda row: (float(row["predicted_is_malignant"]) > 0.5) == (row["is_malignant"] == "1"),
)


def main() -> int:
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="dltk-demo-") as home, runtime(Path(home)) as environ:
            for example in (IRIS, CANCER):
                show(example, environ)
            console.rule("What the runtime keeps")
            show_summary("breast_cancer", environ)
            dltk(environ, "models", "list")
    except DemoFailed as failure:
        console.print(f"[bold red]The demo failed:[/] {escape(str(failure))}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    console.print(f"[bold green]Everything worked[/], in {time.monotonic() - started:.0f} seconds.")
    return 0


@contextmanager
def runtime(home: Path) -> Iterator[dict[str, str]]:
    """A running ``dltk serve``, stopped at the end; gives the environment with which ``dltk`` reaches it."""
    environ = os.environ | {
        "api_token": secrets.token_urlsafe(24),
        "DLTK_HOME": str(home),
        "DLTK_NOTEBOOKS": str(ROOT / "notebooks"),
        "ENABLE_HTTPS": "false",
        "DLTK_DRAIN": "0",
    }
    log = home / "serve.log"
    with log.open("w", encoding="utf-8") as stderr, console.status("Starting the runtime …"):
        server = subprocess.Popen(
            [DLTK, "serve", "--host", "127.0.0.1", "--port", "0"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        try:
            url = address(server, log)
        except BaseException:
            server.kill()
            raise
    console.print(f"The runtime listens on [bold]{url}[/]; models, jobs and its log are in {home}", soft_wrap=True)
    try:
        yield environ | {"DLTK_URL": url, "DLTK_TOKEN": environ["api_token"], "COLUMNS": str(console.width)}
    except DemoFailed as failure:
        raise DemoFailed(f"{failure} The runtime's log ends:\n{tail(log)}") from failure
    finally:
        stop(server, log)


def address(server: subprocess.Popen[str], log: Path) -> str:
    """The URL that the server prints as soon as it is ready."""
    assert server.stdout is not None
    readable, _, _ = select.select([server.stdout], [], [], START_SECONDS)
    line = server.stdout.readline() if readable else ""
    if not line.startswith("listening on "):
        raise DemoFailed(f"The runtime did not start within {START_SECONDS} seconds. Its log ends:\n{tail(log)}")
    return line.removeprefix("listening on ").strip()


def stop(server: subprocess.Popen[str], log: Path) -> None:
    """Asks the server to end, as a container's runtime does, and insists that it ends well."""
    with console.status("Stopping the runtime …"):
        server.send_signal(signal.SIGTERM)
        try:
            code = server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            raise DemoFailed(f"The runtime did not stop within {STOP_SECONDS} seconds.") from None
    if code != 0:
        raise DemoFailed(f"The runtime ended with exit code {code}. Its log ends:\n{tail(log)}")
    console.print("The runtime has stopped.")


def tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


def show(example: Example, environ: dict[str, str]) -> None:
    """Trains, applies to new rows, and compares."""
    console.rule(example.title)
    dltk(environ, "search", example.fit)
    answer = dltk(environ, "search", "--output", "csv", example.apply, show_lines=5)
    rows = list(csv.DictReader(io.StringIO(answer)))
    accuracy = sum(map(example.right, rows)) / len(rows) if rows else 0.0
    console.print(f"Right on [bold]{accuracy:.1%}[/] of {len(rows)} rows that the model had not seen.\n")
    if accuracy < ENOUGH:
        raise DemoFailed(f"A model that learned anything is right on {ENOUGH:.0%} of new rows.")


def show_summary(model: str, environ: dict[str, str]) -> None:
    """What the notebook says of the model used last, as Splunk's `summary` gets it."""
    answer = dltk(environ, "search", "--output", "json", f"| summary {model}", show_lines=0)
    summary = json.loads(json.loads(answer)[0]["summary"])["model_summary"]
    table = Table(show_header=False)
    for key, value in summary.items():
        table.add_row(key, json.dumps(value))
    console.print(table)


def dltk(environ: dict[str, str], *arguments: str, show_lines: int | None = None) -> str:
    """Runs ``dltk`` before the reader's eyes; returns what it printed, of which `show_lines` lines are shown."""
    console.print("$ dltk " + shlex.join(arguments), style="bold cyan", markup=False, soft_wrap=True)
    started = time.monotonic()
    with console.status("…"):
        done = subprocess.run([DLTK, *arguments], env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    console.out(done.stderr + "".join(line + "\n" for line in lines[:show_lines]), end="", highlight=False)
    if show_lines and len(lines) > show_lines:
        console.print(f"… and {len(lines) - show_lines} lines more", style="dim")
    console.print(f"({time.monotonic() - started:.1f} s)\n", style="dim")
    if done.returncode != 0:
        raise DemoFailed(f"'dltk {arguments[0]}' ended with exit code {done.returncode}.")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
