"""What the stand-in says when it is asked for more than it can do."""

from __future__ import annotations

from dltk_runtime.errors import DltkError


class NotEmulated(DltkError):
    """Real Splunk can do this, the stand-in cannot."""

    http_status = 501

    def __init__(self, what: str, instead: str = "Try it in a real Splunk.") -> None:
        super().__init__(f"The stand-in for Splunk does not emulate {what}. {instead}")
