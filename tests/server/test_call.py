"""What a request asks for, read from its `meta`."""

from __future__ import annotations

import pytest

from dltk_runtime.call import Request
from dltk_runtime.payload import NO_ROWS


@pytest.mark.parametrize("mode", ["stage", '"stage"', '"stage "', "' stage'"])
def test_blanks_around_a_mode_change_nothing(mode: str) -> None:
    request = Request.of(NO_ROWS, {"options": {"params": {"algo": "umap", "mode": mode}}})
    assert (request.staging, request.registering) == (True, False)
