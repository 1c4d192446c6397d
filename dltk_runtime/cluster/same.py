"""What has to be the same on every machine: Python, this runtime, and every library.

A model that one release saved may not load with another, and two machines that differ give one
search two answers. So a node that differs runs no fit.
"""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Mapping
from importlib import metadata

SHOWN = 3  # differences that a refusal names
NAME = "dltk-runtime"
SAID = (NAME, "python", "ray")
RAYS_OWN = "thirdparty_files"  # a folder of Ray's, which its actors have on their path, and nobody else


def releases() -> dict[str, str]:
    """Return the release of Python and of every installed distribution, by name."""
    found = {"python": platform.python_version()}
    for each in metadata.distributions():  # in the order in which an import would find them
        if not str(each.locate_file("")).endswith(RAYS_OWN):
            found.setdefault(each.metadata["Name"].lower(), each.version)
    return found


def in_words(found: Mapping[str, str]) -> str:
    """Return the releases that people ask for first."""
    return ", ".join(f"{name} {found[name]}" for name in SAID if name in found)


@functools.cache
def ours_in_words() -> str:
    """Return those of this machine, without a look at all others: a page and `/metrics` wait for it."""
    found = {"python": platform.python_version()}
    for name in (NAME, "ray"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return in_words(found)


def difference(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Return in words how another machine's releases differ; empty if they do not.

    This runtime and Python are named before libraries.
    """
    names = sorted({*ours, *theirs}, key=lambda name: (name not in (NAME, "python"), name))
    found = [name for name in names if ours.get(name) != theirs.get(name)]
    texts = [f"{name} {theirs.get(name, 'missing')}, here {ours.get(name, 'missing')}" for name in found[:SHOWN]]
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(texts) + more
