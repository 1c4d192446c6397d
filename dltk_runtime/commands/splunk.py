"""``dltk splunk``: what a search head needs to call the container."""

from __future__ import annotations

import click

from dltk_runtime.commands._terminal import echo_data

EXAMPLE_URL = "https://dltk.example.com:5000"
EPILOG = """\b
Examples:
  dltk splunk stanza --model risk --flavour dsdl --url https://new.example.com:5000
  dltk splunk stanza --flavour aitk --url https://new.example.com:5000
"""


@click.group(epilog=EPILOG)
def command() -> None:
    """Write what a search head needs to call the container."""


@command.command(epilog=EPILOG)
@click.option("--model", default="__dev__", show_default=True, help="Model; __dev__ is all without their own stanza.")
@click.option(
    "--flavour",
    type=click.Choice(["dsdl", "aitk"]),
    default="dsdl",
    show_default=True,
    help="The app that calls the container: DSDL or AI Toolkit.",
)
@click.option("--url", default=EXAMPLE_URL, show_default=True, help="What the search head calls.")
@click.option("--external", help="What people's browsers call.  [the same]")
@click.option("--cluster", type=click.Choice(["docker", "kubernetes"]), default="docker", show_default=True)
@click.option("--mode", type=click.Choice(["DEV", "PROD"]), default="DEV", show_default=True)
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
