"""What can go wrong with a flow.

::

    DltkError
    └── FlowError
        ├── FlowInvalid           what a flow is to be made of cannot be used
        ├── FlowTemplateInvalid   one of our templates is wrong
        ├── FlowFailed            `dltk flow test` could not run it
        └── PackageInvalid        its apps cannot be packed as they are
"""

from __future__ import annotations

from dltk_runtime.errors import DltkError


class FlowError(DltkError):
    """A flow: its description, its apps, its test."""

    http_status = 400


class FlowInvalid(FlowError):
    """What a flow is to be made of cannot be used; `problem` is a sentence without its full stop."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem + ".")


class FlowTemplateInvalid(FlowError):
    """A template of an app cannot be rendered; `place` is its file and line, `problem` the engine's message."""

    http_status = 500

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(
            f"The template {place} cannot be rendered: {problem}. It is part of the installed dltk-runtime."
        )


class FlowFailed(FlowError):
    """A flow could not be run to its end; `problem` is a sentence without its full stop."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem + ".")


class PackageInvalid(FlowError):
    """An app cannot be packed; `problem` is a sentence without its full stop."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem + ".")
