"""dltk_runtime.site.dsdlsupport.errors."""

from __future__ import annotations

from collections.abc import Sequence

from dltk_runtime.errors import DltkError


class SupportError(DltkError):
    """`dsdlsupport` cannot do what a notebook asks of it."""


class PictureInvalid(SupportError):
    """What a notebook wants to keep as a picture is none, or cannot be kept under that key."""


class SplunkMissing(SupportError):
    """A notebook asks for a connection to Splunk, and there is none; `needs` are the variables it is made of."""

    def __init__(self, what: str, needs: Sequence[str], instead: str) -> None:
        super().__init__(
            f"{what} has no connection to Splunk: neither arguments name one nor {', '.join(needs)}, which must be set "
            f"where 'dltk serve' or JupyterLab is started. {instead}"
        )
