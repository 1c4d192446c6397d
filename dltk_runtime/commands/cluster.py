"""``dltk cluster``: list the machines on which the fits and applies of a container run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from dltk_runtime.client.errors import Unreachable
from dltk_runtime.commands import Exit
from dltk_runtime.commands._terminal import add_row, echo, make_table, show_table
from dltk_runtime.settings import ClientSettings
from dltk_runtime.texts import counted
from dltk_runtime.units import GIB

if TYPE_CHECKING:
    from dltk_runtime.cluster.view import ClusterView, NodeView

MAX_LINE = 20  # fits that wait of which it says why
COLUMNS = ("node", "fits", "places", "GPUs", "applies", "memory", "labels", "state")


@click.command(epilog="\b\nExample:\n  dltk cluster    the machines, what runs there, and how many fits wait")
@click.option("--url", help="Address of the container.  [DLTK_URL; http://127.0.0.1:5000]")
@click.option("--token", help="Its token.  [DLTK_TOKEN, api_token, or a file named by DLTK_TOKEN_file]")
@click.option("--cafile", type=click.Path(exists=True, dir_okay=False), help="Its certificate.  [DLTK_CAFILE]")
def command(url: str | None, token: str | None, cafile: str | None) -> None:
    """List the machines that run the fits and applies of a container.

    Places and GPUs are those of fits, and read taken/all; applies are workers with a version loaded, of all
    for which there is room. Without DLTK_CLUSTER that is the container's own machine alone.
    """
    from dltk_runtime.client.cluster import cluster_of

    try:
        found = cluster_of(ClientSettings.from_env(None, url=url, token=token, cafile=cafile))
    except Unreachable as error:
        echo(f"dltk: {error}", err=True)
        sys.exit(Exit.UNREACHABLE)
    _show(found)


def _show(found: ClusterView) -> None:
    from dltk_runtime.cluster.view import DEAD

    table = make_table(*COLUMNS, unbroken=("places", "GPUs", "applies", "memory"))
    for node in found.nodes:
        add_row(table, *_cells(node))
    show_table(table)
    for gone in found.gone:
        state = "dead" if gone.state == DEAD else "out of reach"
        echo(f"{gone.name} is {state} since {gone.since:%Y-%m-%d %H:%M:%S} UTC.")
    echo(f"{counted(found.waiting, 'fit')} {'waits' if found.waiting == 1 else 'wait'} for a place.")
    for each in found.line[:MAX_LINE]:
        echo(
            f"  {each.algorithm} / {each.model}, {each.wants}: {each.why}"
            if each.model
            else f"  another model: {each.why}"
        )
    if found.problem:
        echo(f"Other machines: {found.problem}.")


def _cells(node: NodeView) -> tuple[str, ...]:
    return (
        node.name,
        str(node.fits),
        f"{node.places_taken}/{node.places}",
        f"{node.gpus_taken}/{node.gpus}",
        f"{node.apply_places_taken}/{node.apply_places}",
        f"{node.memory_bytes / GIB:.0f} GiB",
        ", ".join(node.labels),
        f"{node.state}: {node.refused}" if node.refused else "ready",
    )
