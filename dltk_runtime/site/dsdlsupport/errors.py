"""Errors of the support modules."""

from __future__ import annotations

from collections.abc import Sequence

from dltk_runtime.errors import DltkError


class SupportError(DltkError):
    """A support module cannot do what the notebook requests."""


class PictureInvalid(SupportError):
    """The plot, its key or the model cannot be used to store a picture."""


class SplunkMissing(SupportError):
    """A connection to Splunk is not configured.

    `needs` are its variables, `instead` is an alternative.
    """

    def __init__(self, what: str, needs: Sequence[str], instead: str) -> None:
        super().__init__(
            f"{what} has no connection to Splunk: pass it as arguments, or set {', '.join(needs)} "
            f"where 'dltk serve' or JupyterLab is started. {instead}"
        )
