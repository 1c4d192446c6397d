"""The error of a request that the stand-in does not support."""

from __future__ import annotations

from dltk_runtime.errors import DltkError


class NotEmulated(DltkError):
    """A function of Splunk that the stand-in does not have."""

    http_status = 501

    def __init__(self, what: str, instead: str = "Try it in a real Splunk.") -> None:
        super().__init__(f"The stand-in for Splunk does not emulate {what}. {instead}")
