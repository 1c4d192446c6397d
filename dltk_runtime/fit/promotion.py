"""Decide whether a new version becomes current: by the search's rule, and by comparison with the one before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dltk_runtime.apply.apply import Applying
from dltk_runtime.call import Request
from dltk_runtime.errors import DltkError
from dltk_runtime.fit.options import FitOptions, Rule
from dltk_runtime.store.store import ModelStore, Version


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the version is current now, and the sentence that says so and why."""

    current: bool
    text: str


class Promotion:
    """Decides for each committed version, once."""

    def __init__(self, store: ModelStore, applying: Applying) -> None:
        self._store = store
        self._applying = applying

    async def settle(
        self, version: Version, options: FitOptions, request: Request | None, *, apply_failed: bool = False
    ) -> Decision:
        """Load the version in another worker, compare it where the options say so, and promote it or not.

        A version that cannot be applied or loaded becomes current only if there is no other.

        Args:
            version: committed just now.
            options: of the search.
            request: with the rows of which `holdout` kept some from the fit.
            apply_failed: whether the fit's own apply raised.
        """
        trouble = "" if apply_failed else await self._applying.trial(version)
        if trouble:
            trouble = f" WARNING: the stored model cannot be used: {trouble.rstrip('.')}."
            await asyncio.to_thread(self._store.note, version, trouble.strip())
        if apply_failed or trouble:
            return await self._keep(version, trouble)
        before = self._store.serving(version.name)
        if options.promotion.rule is Rule.AUTO or await asyncio.to_thread(self._is_first, before):
            return await self._promote(version, "")
        if options.promotion.rule is Rule.MANUAL:
            how = f"make it current with 'dltk models promote {version.name.algorithm} {version.name.model} "
            return await self._keep(version, f" (promote=manual: {how}{version.number}')")
        better, why = await self._compare(version, before, options, request)
        return await (self._promote(version, why) if better else self._keep(version, why))

    async def _promote(self, version: Version, why: str) -> Decision:
        await asyncio.to_thread(self._store.promote, version)
        return Decision(True, f"Version {version.number} of model '{version.name.model}' is now current{why}.")

    async def _keep(self, version: Version, why: str) -> Decision:
        if await asyncio.to_thread(self._store.promote_if_first, version):
            return Decision(True, f"Version {version.number} of model '{version.name.model}' is now current.{why}")
        serving = self._store.serving(version.name).number
        stored = f"Version {version.number} of model '{version.name.model}' is stored"
        separator = "." if why.startswith(" WARNING") else ""
        text = f"{stored}, but version {serving} stays current{separator}{why}"
        return Decision(False, text if text.endswith(".") else text + ".")

    def _is_first(self, before: Version) -> bool:
        return before.number == 0 and not self._store.has_legacy(before.name)

    async def _compare(
        self, version: Version, before: Version, options: FitOptions, request: Request | None
    ) -> tuple[bool, str]:
        """Return whether the version beats the one before it, and the figures in brackets."""
        wanted = options.promotion
        if options.holdout and request is not None:
            new, rows = await self._score(version, options, request)
            old, _ = await self._score(before, options, request)
            data = f"on the same {rows:,} held-out rows"
        else:
            new, old = (_metric_of_fit(each, wanted.metric) for each in (version, before))
            data = "as their fits returned them, on different data; holdout=0.2 would compare both on the same rows"
        better = wanted.improves(new, old)
        least = f", at least {wanted.gain:g} better" if wanted.gain else ""
        figures = f"{wanted.metric} {_shown(new)} against {_shown(old)} of version {before.number}{least}, {data}"
        return better, f" ({figures})"

    async def _score(self, version: Version, options: FitOptions, request: Request) -> tuple[float | None, int]:
        """Return the metric of a version on the held-out rows, None if it has none, and the number of rows."""
        try:
            scored = await self._applying.score(version, request, options.holdout)
        except DltkError:
            return None, 0
        return scored.metrics.get(options.promotion.metric), scored.rows


def _metric_of_fit(version: Version, metric: str) -> float | None:
    try:
        return version.manifest().metrics.get(metric)
    except DltkError:
        return None


def _shown(value: float | None) -> str:
    return "missing" if value is None else f"{value:.4g}"
