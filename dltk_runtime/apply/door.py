"""What a worker needs to know of a request that is not Splunk's."""

from __future__ import annotations

from dltk_runtime.call import Request
from dltk_runtime.payload import Door
from dltk_runtime.store.fields import fields_of
from dltk_runtime.store.store import Version


def door_of(request: Request, version: Version, most: int) -> Door | None:
    """Return the forms of a request and the fields that `version` was fitted on; None for Splunk's.

    The rows may take `most` bytes once decompressed.
    """
    if request.forms is None:
        return None
    fields = tuple(fields_of(version.manifest())) if version.number else ()
    return Door(request.forms.rows, request.forms.results, fields, most)
