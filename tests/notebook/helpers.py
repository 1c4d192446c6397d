"""Helpers: import a notebook as a module, write a helper module."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from textwrap import dedent
from types import ModuleType

from dltk_runtime.paths import Paths


def module(name: str) -> ModuleType:
    return import_module(f"app.model.{name}")


def write_helper(paths: Paths, name: str, text: str) -> Path:
    path = paths.helpers / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path
