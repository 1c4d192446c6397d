"""What tokens may hand to the old container: its answers know nothing of our rights and bounds.

A token for every model, without bounds, is not asked further, and its requests pass while they
arrive. Of every other one the request is read first.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from dltk_runtime.access.errors import ModelForbidden
from dltk_runtime.access.holder import Holder
from dltk_runtime.call import Request
from dltk_runtime.errors import DltkError
from dltk_runtime.fit.bounds import REFUSE, others
from dltk_runtime.names import ModelName, checked
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.source import imports_of
from dltk_runtime.server import protocol
from dltk_runtime.service.service import Service

FIT = "/fit"
STAGES = ("stage", '"stage"')  # values of `mode` with which an old container trains nothing; it knows no other one


class Allowed:
    """Compares requests with the patterns and bounds of their tokens; use from one loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._fits: Counter[str] = Counter()  # that the old container makes now, by token

    def must_read(self, holder: Holder, route: str) -> bool:
        """Return whether a request has to be read before it may be forwarded."""
        if not holder.sees_all:
            return True
        refuses_others = self._service.settings.others_models == REFUSE
        return route == FIT and (refuses_others or self._service.bounds.apply_to(holder.name))

    async def check(self, body: bytes, holder: Holder, route: str) -> None:
        """Make sure that a request may be forwarded now.

        Raises:
            RequestError: it is not what Splunk sends, or the sentence says what its token lacks.
        """
        heavy = protocol.is_heavy(body)
        request = await asyncio.to_thread(protocol.decode, body) if heavy else protocol.decode(body)
        checked("model", request.model)
        if request.algorithm is not None:
            name = ModelName(request.algorithm, request.model)
            if not holder.covers(name):
                raise ModelForbidden(holder.name, str(name), ", ".join(holder.models))
        elif not holder.covers_any(request.model):  # which algorithm the old container takes is not known here
            found = f"'{request.model}' of an algorithm that the search does not name (algo=)"
            raise ModelForbidden(holder.name, found, ", ".join(holder.models))
        if route == FIT and request.parameters.get("mode") not in STAGES:
            await self._check_fit(request, holder.name)

    def begun(self, owner: str) -> None:
        """Note that a fit has been forwarded."""
        self._fits[owner] += 1

    def ended(self, owner: str) -> None:
        """Note that it has been answered."""
        self._fits[owner] -= 1
        self._fits += Counter()  # drops what is 0

    async def _check_fit(self, request: Request, owner: str) -> None:
        if request.algorithm is not None:
            name, setting = ModelName(request.algorithm, request.model), self._service.settings.others_models
            await asyncio.to_thread(others, self._service.store, name, owner, setting)
        bounds = self._service.bounds
        if bounds.apply_to(owner):
            await asyncio.to_thread(bounds.check_used, owner, on_gpu=await self._on_gpu(request.algorithm))
            bounds.check_fits(owner, self._fits[owner])  # last: it is forwarded before another one is compared

    async def _on_gpu(self, named: str | None) -> bool:
        """Return whether our own fit would train on a GPU; of the old container's nothing is known."""
        with suppress(DltkError):
            source = await asyncio.to_thread(algorithm.source_of, named or "", self._service.settings.paths)
            return self._service.pool.waits_for_gpu(imports_of(source))
        return False
