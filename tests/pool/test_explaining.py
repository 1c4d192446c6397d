"""Errors in a worker's answers, which are explained wherever they stand."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dltk_runtime.pool.explaining import explained
from dltk_runtime.worker.messages import Applied, AppliedTogether, ErrorReport, Failed, FromWorker

ERROR, TOLD = ErrorReport("apply", "CUDA out of memory"), ErrorReport("apply", "CUDA out of memory", note="held by …")
APPLIED = Applied(1, 1)


async def explain(error: ErrorReport) -> ErrorReport:
    return msgspec.structs.replace(error, note="held by …")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Failed(ERROR), Failed(TOLD)),
        (APPLIED, APPLIED),
        (
            AppliedTogether((APPLIED, Failed(ERROR)), (b"1", b"")),
            AppliedTogether((APPLIED, Failed(TOLD)), (b"1", b"")),
        ),
    ],
    ids=["of one request", "none", "of one of several requests"],
)
def test_errors_are_explained(answer: FromWorker, expected: FromWorker) -> None:
    assert asyncio.run(explained(answer, explain)) == expected
