"""Decide by the search's rule whether a new version becomes current."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from dltk_runtime.apply.apply import Applying
from dltk_runtime.call import Request
from dltk_runtime.errors import DltkError
from dltk_runtime.fit.comparing import Comparing
from dltk_runtime.fit.options import FitOptions, PromotionRule
from dltk_runtime.jobs.record import Comparison
from dltk_runtime.store.asking import ask
from dltk_runtime.store.store import ModelStore, Version


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the version is current now, a sentence with the reason, and the figures behind it.

    `kept` is the sentence for records and events, where it differs from `text`.
    """

    current: bool
    text: str
    comparison: Comparison | None = None
    kept: str = ""

    @property
    def for_records(self) -> str:
        """The sentence that records and events keep."""
        return self.kept or self.text


class Promoter:
    """Decides for each committed version, once."""

    def __init__(self, store: ModelStore, applying: Applying, texts: str) -> None:
        self._store = store
        self._applying = applying
        self._comparing = Comparing(store, applying)
        self._texts = texts

    async def settle(
        self, version: Version, options: FitOptions, request: Request | None, *, apply_failed: bool = False
    ) -> Decision:
        """Load the version in another worker, compare it if requested, and promote it or not.

        A version that cannot be applied or loaded becomes current only if there is no other.

        Args:
            version: committed just now.
            options: of the search.
            request: with the rows of the fit, some of which it may not have seen.
            apply_failed: whether the fit's own apply raised.
        """
        if apply_failed:
            return await self._keep(version, "")
        if trouble := await self._applying.trial(version):
            return await self._keep_unusable(version, trouble)
        before = await ask(self._store, self._store.serving_or_0, version.name)
        first = before.id == version.id or await asyncio.to_thread(self._is_first, before)
        if first or options.promotion.rule is PromotionRule.AUTO:
            return await self._promote(version, "")
        if options.promotion.rule is PromotionRule.MANUAL:
            how = f"make it current with 'dltk models promote {version.name.algorithm} {version.name.model} "
            return await self._keep(version, f" (promote=manual: {how}{version.number}')")
        comparison = await self._comparing.compare(version, before, options, request)
        better = options.promotion.improves(comparison.new, comparison.old)
        why = f" ({comparison})"
        decision = await (self._promote(version, why) if better else self._keep(version, why))
        return replace(decision, comparison=comparison)

    async def _promote(self, version: Version, why: str) -> Decision:
        await asyncio.to_thread(self._store.promote, version)
        return Decision(True, f"Version {version.number} of model '{version.name.model}' is now current{why}.")

    async def _keep_unusable(self, version: Version, trouble: DltkError) -> Decision:
        said, kept = (
            f" WARNING: the stored model cannot be used: {text.rstrip('.')}."
            for text in (trouble.sentence, trouble.worded(self._texts))
        )
        await asyncio.to_thread(self._store.note, version, kept.strip())
        decision = await self._keep(version, said)
        return replace(decision, kept=decision.text.replace(said, kept))

    async def _keep(self, version: Version, why: str) -> Decision:
        if await asyncio.to_thread(self._store.promote_if_first, version):
            return Decision(True, f"Version {version.number} of model '{version.name.model}' is now current.{why}")
        serving = (await ask(self._store, self._store.serving_or_0, version.name)).number
        stored = f"Version {version.number} of model '{version.name.model}' is stored"
        separator = "." if why.startswith(" WARNING") else ""
        if serving or not await asyncio.to_thread(self._store.ever_promoted, version.name):
            text = f"{stored}, but version {serving} stays current{separator}{why}"
        else:
            text = f"{stored} and not promoted, and the versions that were are damaged{separator}{why}"
        return Decision(False, text if text.endswith(".") else text + ".")

    def _is_first(self, before: Version) -> bool:
        return before.number == 0 and not self._store.ever_promoted(before.name)
