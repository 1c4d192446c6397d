"""Which version of a model answers."""

from __future__ import annotations

from dataclasses import dataclass

from dltk_runtime.store.handles import Version


@dataclass(frozen=True, slots=True)
class Serving:
    """The version that apply uses.

    `problem` is a sentence: why it is not the current one, or what is damaged.
    """

    version: Version
    problem: str = ""
