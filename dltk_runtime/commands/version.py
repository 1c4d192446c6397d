"""``dltk version``: show the installed versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click

from dltk_runtime import __version__
from dltk_runtime.commands._terminal import echo
from dltk_runtime.notebook.frameworks import RECORDED

# Distributions to name in a bug report; their versions come from metadata, without an import.
LIBRARIES = (
    *(name for library in RECORDED for name in library.distribution_names),
    *("jupyterlab", "papermill", "splunk-sdk"),
)


@click.command(epilog="\b\nExample:\n  dltk version")
def command() -> None:
    """Show the installed versions.

    These are the runtime, Python and the libraries that notebooks use.
    """
    echo(f"dltk-runtime {__version__}")
    echo(f"python {platform.python_version()}")
    for name, number in installed(LIBRARIES).items():
        echo(f"{name} {number}")


def installed(names: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of the installed distributions among `names`, in that order."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
