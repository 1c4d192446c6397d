"""No answer among several holds a secret of the notebook's."""

from __future__ import annotations

import contextlib
import socket

import pytest

from dltk_runtime.scrub import MASK, Scrubber
from dltk_runtime.worker import channel
from dltk_runtime.worker.child import _Channel
from dltk_runtime.worker.messages import Applied, AppliedTogether, ErrorReport, Failed

SECRET = "correct-horse-battery"


@pytest.mark.parametrize("surrogate", ["", "\ud800"], ids=["plain", "half a surrogate pair"])
def test_results_and_errors_are_scrubbed(surrogate: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.closing(ours), contextlib.closing(theirs):
        error = ErrorReport("apply", f"ValueError: {SECRET}{surrogate}", traceback=f"{SECRET} …")
        sent = AppliedTogether((Applied(1, 1, (f"'{SECRET}'",)), Failed(error)), (f'"x\\n{SECRET}\\n"'.encode(), b""))
        _Channel(theirs, Scrubber([SECRET])).send(sent)
        answer = channel.receive(ours, channel.FROM_WORKER).message
    assert isinstance(answer, AppliedTogether)
    first, second = answer.answers
    assert isinstance(first, Applied)
    assert first.notices == (f"'{MASK}'",)
    assert isinstance(second, Failed)
    assert second.error.sentence == f"ValueError: {MASK}{'?' * bool(surrogate)}"
    assert second.error.traceback == f"{MASK} …"
    assert answer.results == (f'"x\\n{MASK}\\n"'.encode(), b"")
