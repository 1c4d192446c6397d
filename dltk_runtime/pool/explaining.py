"""Explain the errors in a worker's answer, wherever they stand in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from dltk_runtime.worker.messages import AppliedTogether, ErrorReport, Failed, Fitted, FromWorker

Explain = Callable[[ErrorReport], Awaitable[ErrorReport]]


async def explained(answer: FromWorker, explain: Explain) -> FromWorker:
    """Return an answer with what `explain` makes of each error in it."""
    match answer:
        case Failed(error):
            return Failed(await explain(error))
        case Fitted(apply_error=ErrorReport() as error):
            return msgspec.structs.replace(answer, apply_error=await explain(error))
        case AppliedTogether(answers):
            told = [Failed(await explain(each.error)) if isinstance(each, Failed) else each for each in answers]
            return msgspec.structs.replace(answer, answers=tuple(told))
    return answer
