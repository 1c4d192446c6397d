"""``dltk splunk``: what a search head needs to call the container."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from dltk_runtime.commands import Exit
from dltk_runtime.commands._terminal import echo, echo_data
from dltk_runtime.files import atomic

EXAMPLE_URL = "https://dltk.example.com:5000"
EPILOG = """\b
Examples:
  dltk splunk stanza --model risk --flavour dsdl --url https://new.example.com:5000
  dltk splunk stanza --flavour aitk --url https://new.example.com:5000
  dltk splunk acceptance acceptance              write an app that tests claims about your Splunk
  dltk splunk reports reports                    write an app that reports who fitted what
  dltk splunk verify --export results.json       run it over REST, and write what can be sent
"""
FLAVOUR = click.option(
    "--flavour",
    type=click.Choice(["dsdl", "aitk"]),
    default="dsdl",
    show_default=True,
    help="The app that calls the container: DSDL or AI Toolkit.",
)


class IndexName(click.ParamType[str]):
    """The name of an index, as Splunk allows it."""

    name = "index"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        plain = value.replace("_", "").replace("-", "")
        if not (plain.isascii() and plain.isalnum() and value == value.lower()) or value[0] in "_-":
            self.fail(f"{value!r} is no name of an index: small letters, digits, '_' and '-'.", param, ctx)
        return value


@click.group(epilog=EPILOG, short_help="Print stanzas for a search head; test claims about it.")
def command() -> None:
    """Write what a search head needs to call the container, and test claims about it."""


@command.command(epilog=EPILOG, short_help="Print the stanza by which Splunk finds a container.")
@click.option("--model", default="__dev__", show_default=True, help="Model; __dev__ is all without their own stanza.")
@FLAVOUR
@click.option("--url", default=EXAMPLE_URL, show_default=True, help="What the search head calls.")
@click.option("--external", help="What people's browsers call.  [the same]")
@click.option(
    "--cluster",
    type=click.Choice(["docker", "kubernetes"]),
    default="docker",
    show_default=True,
    help="Where the app is told that the container runs.",
)
@click.option(
    "--mode",
    type=click.Choice(["DEV", "PROD"]),
    default="DEV",
    show_default=True,
    help="Which mode the app is told that the container has.",
)
def stanza(model: str, flavour: str, url: str, external: str | None, cluster: str, mode: str) -> None:
    """Print the stanza by which Splunk finds the container of a model.

    Splunk looks a model's address up at each call: in the stanza with its name, else in [__dev__]. So one
    model moves by its stanza, and goes back when the stanza is deleted.
    """
    from dltk_runtime.doctor.clients import DSDL, TOOLKIT
    from dltk_runtime.doctor.stanza_lines import StanzaLines
    from dltk_runtime.emulator.mltk.grammar import model_name

    client = TOOLKIT if flavour == "aitk" else DSDL
    echo_data(StanzaLines(client, model_name(model), url, external or url, cluster, mode).text())


@command.command(epilog=EPILOG, short_help="Write a Splunk app that tests what we believe of Splunk.")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@FLAVOUR
@click.option(
    "--index", type=IndexName(), default="summary", show_default=True, help="Existing index for a few small events."
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def acceptance(out: Path, flavour: str, index: str, force: bool) -> None:
    """Write into OUT a Splunk app that tests what none of us has seen in a Splunk.

    Each saved search is one claim; a dashboard has passes and fails, and a table without data that you can send.
    Beside it lies the notebook that its searches use, for the container's notebooks folder.
    """
    from dltk_runtime.acceptance.app import write
    from dltk_runtime.acceptance.claims.claim import Flavour

    for path in write(out, Flavour(flavour), index, force=force):
        echo(path)


@command.command(epilog=EPILOG, short_help="Write a Splunk app that reports who fitted what.")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--index", type=IndexName(), default="dltk", show_default=True, help="Index of the container's events.")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def reports(out: Path, index: str, force: bool) -> None:
    """Write into OUT a Splunk app that reports who fitted what, and what the fits of each token took.

    It joins the container's events with Splunk's index _audit, which has the user, the app and the whole search.
    """
    from dltk_runtime.inventory.reports import write

    for path in write(out, index, force=force):
        echo(path)


@command.command(epilog=EPILOG, short_help="Run the installed acceptance app over REST.")
@FLAVOUR
@click.option("--export", type=click.Path(dir_okay=False, path_type=Path), help="File for what can be sent, in JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def verify(flavour: str, export: Path | None, as_json: bool) -> None:
    """Run the installed acceptance app over REST (splunk_access_…), every claim once.

    It trains small models and writes three events, as the app's README says. The exit code is 1 if a claim
    fails, and 4 if one has no result.
    """
    from dltk_runtime.acceptance.claims.claim import APP, Flavour
    from dltk_runtime.acceptance.verify import FAIL, PASS, Verification, document
    from dltk_runtime.splunk.connection import Connection

    if export and not export.absolute().parent.is_dir():  # before the minutes that it takes
        raise click.BadParameter(f"There is no folder {export.absolute().parent}.", param_hint="--export")
    connection = Connection.from_env(APP)
    version = connection.call("server/info", lambda service: str(service.info["version"]))
    verification = Verification(connection, Flavour(flavour), lambda line: echo(line, err=True))
    results = verification.run()
    made = json.dumps(document(results, Flavour(flavour), version), indent=2)
    if export:
        atomic.write(export, made.encode() + b"\n", durable=False)
    if as_json:
        echo(made)
    else:
        for each in results:
            echo(f"{each.result:8} {each.claim.name:26} {each.claim.text} [{each.seen}]")
    found = {each.result for each in results}
    sys.exit(Exit.FAILED if FAIL in found else Exit.WARNINGS if found - {PASS} else Exit.OK)
