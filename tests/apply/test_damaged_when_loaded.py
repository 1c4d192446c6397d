"""A version found damaged by a worker is not chosen again because another worker may have it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dltk_runtime.apply.apply import Applying
from dltk_runtime.apply.damage import DamagedWhenLoaded
from dltk_runtime.call import Call, Request
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.payload import NO_ROWS
from dltk_runtime.settings import Settings
from dltk_runtime.store.serving import Serving

NAME = ModelName("algo", "m")


class _Store:
    """Version 2 is damaged: it is seen only where files are checked."""

    remote = False

    def choose(self, name: ModelName, loaded: Collection[int] = ()) -> Serving:
        number = 2 if 2 in loaded else 1
        return Serving(cast(Any, SimpleNamespace(id=VersionId(name, number), name=name, number=number)))


def test_the_second_try_checks_the_files_of_every_version(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = SimpleNamespace(versions_in_use=lambda _: {2}, join=None)
    anything: Any = None
    applying = Applying(
        settings=Settings(),
        store=cast(Any, _Store()),
        jobs=anything,
        pool=cast(Any, pool),
        last=anything,
        drift=anything,
    )
    tried: list[int] = []

    async def apply(request: Request, serving: Serving, *_: object) -> int:
        tried.append(serving.version.number)
        if serving.version.number == 2:
            raise DamagedWhenLoaded("a file is missing")
        return serving.version.number

    monkeypatch.setattr(applying, "_apply", apply)
    request = Request.of(NO_ROWS, {"options": {"params": {"algo": "algo"}, "model_name": "m"}})
    assert asyncio.run(cast(Any, applying.apply(request, Call("1", "/apply")))) == 1
    assert tried == [2, 1]
