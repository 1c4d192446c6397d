"""Texts in the answers of Splunk's REST API, which writes messages as JSON or as XML."""

from __future__ import annotations

import contextlib
import json
from xml.etree import ElementTree as ET

from dltk_runtime.errors import shown

MAX_SHOWN_BYTES = 200  # of a body without messages


def text_of(body: bytes) -> str:
    """Return the texts of all messages, else the beginning of the body in quotes, if any."""
    if texts := [text for _, text in messages_of(body)]:
        return " · ".join(texts)
    return shown(body[:MAX_SHOWN_BYTES].decode(errors="replace").strip(), MAX_SHOWN_BYTES) if body else ""


def messages_of(body: bytes) -> list[tuple[str, str]]:
    """Return type and text of each message, JSON or XML; an empty list when the body has none."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        return [(str(each.get("type", "ERROR")), str(each["text"])) for each in json.loads(body)["messages"]]
    with contextlib.suppress(ET.ParseError):
        found = ET.fromstring(body).iter("msg")  # noqa: S314 - from the Splunk that received our token
        return [(each.get("type", "ERROR"), each.text or "") for each in found]
    return []
