"""Releases of the libraries that a conversion depends on."""

from __future__ import annotations

from importlib import metadata


def release(*distributions: str) -> str:
    """Return name and release of the first distribution that is installed, such as ``onnx 1.23.2``."""
    for name in distributions:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return f"{distributions[0]} (not installed)"
