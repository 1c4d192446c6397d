"""Which libraries are here, which an old container had, and which the variant compat has.

Lists beside this file: DSDL 5.2.4's packages, and where compat differs from them.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
from pathlib import Path

DSDL_NAME = "DSDL 5.2.4"
_DSDL_FILE = Path(__file__).with_name("dsdl_5.2.4_versions.txt")
_COMPAT_FILE = Path(__file__).with_name("compat_differences.txt")
_NONE = "none"  # in place of a version: compat lacks the package
_SAME = {"tensorflow-cpu": "tensorflow", "torch-cpu": "torch"}  # builds of one library

Release = tuple[int, ...]


def distribution_of(module: str) -> str:
    """Return the name of the installed distribution with a module: ``scikit-learn`` for ``sklearn.tree``.

    The module's own first name when none has it.
    """
    first = module.partition(".")[0]
    found = _distributions().get(first)
    return normal(found[0]) if found else first


def is_installed(module: str) -> bool:
    """Return whether the first name of a module can be imported here. Imports nothing."""
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def installed(distribution: str) -> str:
    """Return the release of a distribution here; "" when it is not installed."""
    for name in (distribution, *(other for other, same in _SAME.items() if same == distribution)):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


@functools.cache
def dsdl() -> dict[str, str]:
    """Return the releases of `DSDL_NAME` by distribution."""
    return _listed(_DSDL_FILE)


@functools.cache
def compat() -> dict[str, str]:
    """Return the releases of the variant compat that stand for those of `dsdl`."""
    found = dsdl() | _listed(_COMPAT_FILE)
    return {name: version for name, version in found.items() if version != _NONE}


def _listed(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if "==" in line)
    return {normal(name.partition("[")[0]): version.strip() for name, _, version in pairs}


def normal(name: str) -> str:
    """Return a distribution's name in one spelling."""
    spelt = name.strip().lower().replace("_", "-").replace(".", "-")
    return _SAME.get(spelt, spelt)


def release(version: str) -> Release:
    """Return the numbers of a release, (1, 6) of ``1.6.1``: what decides about compatibility."""
    numbers = version.partition("+")[0].split(".")[:2]
    return tuple(int(each) for each in numbers if each.isascii() and each.isdigit())


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return {name: list(found) for name, found in importlib.metadata.packages_distributions().items()}
