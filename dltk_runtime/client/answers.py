"""Answers of the container's ``/v1`` as values, or as errors with the container's explanation."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from dltk_runtime.client.errors import ApiRefused, ReplyUnreadable
from dltk_runtime.client.http import Reply
from dltk_runtime.files.records import decoded

T = TypeVar("T")


def read(reply: Reply, kind: type[T]) -> T:
    """Return the answer as `kind`.

    Raises:
        ApiRefused: its status is not 200.
        ReplyUnreadable: it is not JSON of this kind.
    """
    if reply.status != 200:
        raise refused(reply)
    try:
        return decoded(reply.body, kind)
    except msgspec.DecodeError as error:
        raise ReplyUnreadable(reply.url, f"HTTP {reply.status}", reply.body.decode("utf-8", "replace")) from error


def refused(reply: Reply) -> ApiRefused:
    """Return the error for an answer whose status is not 200."""
    try:
        detail = str(decoded(reply.body, dict[str, Any])["detail"])
    except (msgspec.DecodeError, KeyError, TypeError):
        detail = reply.reason
    return ApiRefused(reply.url, reply.status, detail)
