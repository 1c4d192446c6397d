"""dltk_runtime.store.errors."""

from __future__ import annotations

from dltk_runtime.errors import StoreError


class VersionUnknown(StoreError):
    """No such model or version."""

    http_status = 404


class NotExported(StoreError):
    """A version's files were not copied out: there are none, or others are in the way."""

    http_status = 409
