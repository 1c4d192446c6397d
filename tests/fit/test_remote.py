"""A store across a network is asked in threads: the event loop of a fit's end answers applies meanwhile."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dltk_runtime.call import CallFacts
from dltk_runtime.errors import NotStored
from dltk_runtime.fit.comparing import Comparing
from dltk_runtime.fit.recorded import stored_anyway
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.errors import StoreUnreachable

LOST = StoreUnreachable("s3://models/m", "timed out")


class _Version:
    """A version whose files are across a network."""

    def __init__(self, number: int, error: Exception | None = None) -> None:
        self.name, self.number = ModelName("a", "m"), number
        self.id = VersionId(self.name, number)
        self._error = error

    def location(self) -> Any:
        with pytest.raises(RuntimeError):  # there is no loop in this thread
            asyncio.get_running_loop()
        if self._error is not None:
            raise self._error
        return SimpleNamespace(seen="")


class _Store:
    """A remote store, in which a version serves or nothing answers."""

    remote = True

    def __init__(self, serving: _Version | None) -> None:
        self._serving = serving

    def serving_or_0(self, name: ModelName) -> Any:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        if self._serving is None:
            raise LOST
        return self._serving


def measured(*versions: _Version) -> str:
    comparing = Comparing(cast(Any, _Store(None)), cast(Any, None))
    return asyncio.run(comparing.measure(*cast(Any, versions), cast(Any, None), "rows")).problem


def test_a_comparison_fetches_versions_in_a_thread_and_says_when_it_cannot() -> None:
    assert measured(_Version(2), _Version(1)).startswith("it is not known which rows version 2 has seen")
    assert measured(_Version(2, LOST), _Version(1)).startswith("one of them cannot be measured: ")


@pytest.mark.parametrize("error", [NotStored("The disk is full."), LOST], ids=["not stored", "unreachable"])
@pytest.mark.parametrize(
    ("serving", "said", "promoted"),
    [
        (2, "Version 2 of model 'm' is stored and answers.", True),
        (1, "Version 2 of model 'm' is stored and not current; 'dltk models promote a m 2' makes it so.", False),
        (None, "Version 2 of model 'm' is stored; whether it answers is not known.", None),
    ],
)
def test_an_error_after_the_commit_says_what_is_stored(
    error: Exception, serving: int | None, said: str, promoted: bool | None
) -> None:
    facts = CallFacts()
    store, version = _Store(_Version(serving) if serving else None), _Version(2)

    async def promote() -> None:
        async with stored_anyway(cast(Any, store), cast(Any, version), facts):
            raise error

    with pytest.raises(NotStored) as raised:
        asyncio.run(promote())
    assert raised.value.sentence.endswith(said)
    assert (facts.version, facts.promoted) == (2, promoted)
