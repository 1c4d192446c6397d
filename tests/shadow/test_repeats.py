"""What the old container is asked once more, and what it is not."""

from __future__ import annotations

from datetime import UTC, datetime

from dltk_runtime.server.shadow.kept import KeptRequest, KeptRoom
from dltk_runtime.server.shadow.pace import Pace
from dltk_runtime.server.shadow.repeats import Repeats
from dltk_runtime.server.shadow.upstream import Upstream
from dltk_runtime.shadow import ComparedRequest
from tests.shadow.test_upstream import Raw

BODY = rb'{"status": "success", "results": "a\n1\n"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def test_each_model_is_repeated_once_whatever_another_algorithm_calls_its_own() -> None:
    """Of the same model of another algorithm nothing would be known, and what is noisy would differ."""

    async def ask(upstream: Upstream) -> None:
        repeats = Repeats(upstream, Pace(lambda: None, lambda: None, lambda: False), 1000)
        known = ComparedRequest(datetime.now(UTC), "/apply", "umap", "risk", "success", "success", repeat=True)
        repeats.know(known)
        kept = KeptRequest(KeptRoom(1000), "/apply", "id", b"token")
        assert await repeats.second_answer(kept, "umap", "risk") is None
        assert await repeats.second_answer(kept, "pca", "risk") == rb'"a\n1\n"'
        assert await repeats.second_answer(kept, "pca", "risk") is None

    Raw(ANSWER).run(ask)
