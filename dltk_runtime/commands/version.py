"""``dltk version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click

from dltk_runtime import __version__

# What a report of a fault needs to say; their versions are read from metadata, so that nothing is imported.
LIBRARIES = (
    *("numpy", "pandas", "scikit-learn", "torch", "tensorflow", "tensorflow-cpu", "keras"),
    *("jupyterlab", "papermill", "splunk-sdk"),
)


@click.command(epilog="\b\nExample:\n  dltk version")
def command() -> None:
    """Show what is installed: the runtime, Python and the libraries that notebooks use, with their versions."""
    click.echo(f"dltk-runtime {__version__}")
    click.echo(f"python {platform.python_version()}")
    for name, number in installed(LIBRARIES).items():
        click.echo(f"{name} {number}")


def installed(names: tuple[str, ...]) -> dict[str, str]:
    """The versions of those of `names` (distributions) that are installed, in their order."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
