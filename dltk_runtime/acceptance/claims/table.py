"""All claims, and the searches that prepare them, in the order in which they run."""

from __future__ import annotations

from dltk_runtime.acceptance.claims import entries, requests, rows, search_head, storage
from dltk_runtime.acceptance.claims.claim import Claim, Flavour, Preparation

PREPARATIONS: tuple[Preparation, ...] = (*entries.PREPARATIONS, *storage.PREPARATIONS)
CLAIMS: tuple[Claim, ...] = (*entries.CLAIMS, *requests.CLAIMS, *rows.CLAIMS, *storage.CLAIMS, *search_head.CLAIMS)


def claims(flavour: Flavour) -> tuple[Claim, ...]:
    """Return the claims for one client."""
    return tuple(claim for claim in CLAIMS if flavour in claim.flavours)
