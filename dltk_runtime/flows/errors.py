"""Errors of flows.

::

    DltkError
    └── FlowError
        ├── FlowInvalid           a description, an app, a sample or a file of labels is invalid
        ├── FlowTemplateInvalid   a template of the installed package is invalid
        ├── FlowFailed            a rehearsal or a backfill did not run to its end
        └── PackageInvalid        an app cannot be packed

`problem` is a sentence without its full stop.
"""

from __future__ import annotations

from dltk_runtime.errors import DltkError


class FlowError(DltkError):
    """The root of the errors of flows."""

    http_status = 400


class FlowInvalid(FlowError):
    """The description of a flow, an app, a sample or a file of labels is invalid."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem + ".")


class FlowTemplateInvalid(FlowError):
    """A template cannot be rendered; `place` is its file and line, `problem` Jinja's message."""

    http_status = 500

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(
            f"The template {place} cannot be rendered: {problem}. It is part of the installed dltk-runtime."
        )


class FlowFailed(FlowError):
    """A rehearsal or a backfill did not run to its end."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem + ".")


class PackageInvalid(FlowError):
    """An app cannot be packed."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem + ".")
