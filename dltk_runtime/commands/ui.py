"""``dltk ui``: open the console of a container in a browser."""

from __future__ import annotations

import sys

import click

from dltk_runtime.client.errors import Unreachable
from dltk_runtime.commands import Exit
from dltk_runtime.commands._terminal import echo
from dltk_runtime.settings import ClientSettings

EPILOG = """\b
Examples:
  dltk ui                                  that of DLTK_URL
  dltk ui --url https://dltk.example:5000
  dltk ui --no-browser                     print the address alone
"""


@click.command(epilog=EPILOG)
@click.option("--url", help="Address of the container.  [DLTK_URL; http://127.0.0.1:5000]")
@click.option("--cafile", type=click.Path(exists=True, dir_okay=False), help="Its certificate.  [DLTK_CAFILE]")
@click.option("--no-browser", is_flag=True, help="Print the address, and open nothing.")
def command(url: str | None, cafile: str | None, no_browser: bool) -> None:
    """Open the console of a container in a browser.

    The page asks for a token; none is passed on. Without a browser on this machine it prints the
    address.
    """
    from dltk_runtime.client.console import address_of

    try:
        address = address_of(ClientSettings.from_env(None, url=url, token="", cafile=cafile))
    except Unreachable as error:
        echo(f"dltk: {error}", err=True)
        sys.exit(Exit.UNREACHABLE)
    echo(address)
    if not no_browser and not _opened(address):
        echo("There is no browser on this machine: open the address on another one.", err=True)


def _opened(address: str) -> bool:
    import webbrowser

    return webbrowser.open(address)
