"""Workers that wait with their imports done, so that a request does not wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Callable

from dltk_runtime.pool import memory
from dltk_runtime.pool.launch import Spec
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.pool.outcome import WorkerDied

REFILL_SECONDS = 0.2  # without a request, so that none shares the processor with the start of a spare
MAX_REFILL_SECONDS = 5.0  # after which a spare is started even while requests follow each other


class Spares:
    """At most `most` spares, of the kinds that recent requests needed."""

    def __init__(self, start: Callable[[Spec], LocalWorker], most: int, quiet: Callable[[float], bool]) -> None:
        """`start` makes a worker, `quiet` tells whether no request ran in the last seconds."""
        self._start = start
        self._most = most
        self._quiet = quiet
        self._waiting: list[LocalWorker] = []
        self._recent: OrderedDict[Spec, None] = OrderedDict()
        self._refill: asyncio.TimerHandle | None = None

    @property
    def workers(self) -> list[LocalWorker]:
        """The spares that are alive."""
        return [each for each in self._waiting if each.usable]

    def take(self, spec: Spec) -> LocalWorker | None:
        """Return the best spare for `spec`, with all or some of its imports; None without any."""
        fitting = [
            each
            for each in self.workers
            if each.spec.threads == spec.threads and set(each.spec.imports) <= set(spec.imports)
        ]
        best = max(fitting, key=lambda each: len(each.spec.imports), default=None)
        if best is not None:
            self._waiting.remove(best)
        return best

    def request(self, spec: Spec) -> None:
        """Have a spare for `spec` soon."""
        self._recent[spec] = None
        self._recent.move_to_end(spec)
        while len(self._recent) > max(self._most, 1):
            self._recent.popitem(last=False)
        if self._refill is None:
            self._wait(MAX_REFILL_SECONDS)

    def close(self) -> None:
        """Start no more."""
        if self._refill is not None:
            self._refill.cancel()
        self._most = 0

    def _wait(self, seconds: float) -> None:
        """Replace the spares when no request runs, or at the latest after `seconds`."""
        left = seconds - REFILL_SECONDS
        self._refill = asyncio.get_running_loop().call_later(REFILL_SECONDS, self._replace_if_quiet, left)

    def _replace_if_quiet(self, left: float) -> None:
        if left > 0 and not self._quiet(REFILL_SECONDS):
            self._wait(left)
        else:
            self._replace()

    def _replace(self) -> None:
        """End the spares that are not of a recent kind, and start the missing ones."""
        self._refill = None
        missing = list(itertools.islice(itertools.cycle(reversed(self._recent)), self._most))
        kept = []
        for worker in self.workers:
            if worker.spec in missing:
                missing.remove(worker.spec)
                kept.append(worker)
            else:
                worker.kill()
        self._waiting = kept
        for spec in missing:
            if memory.enough():
                with contextlib.suppress(WorkerDied):  # the next request starts its own worker and reports the error
                    kept.append(self._start(spec))
