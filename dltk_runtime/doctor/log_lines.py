"""Lines of the server's log for a bundle: what happened when, without texts of notebooks or requests."""

from __future__ import annotations

import json
import re
from collections import deque
from pathlib import Path
from typing import Any

MAX_LINES = 5000
# Fields that hold names, numbers and fixed words alone. `outcome` holds a message where it is no word.
FIELDS = (
    "time",
    "level",
    "event",
    "request",
    "job",
    "route",
    "method",
    "status",
    "reason",
    "algorithm",
    "model",
    "version",
    "promoted",
    "rows",
    "seconds",
    "phases",
    "connections",
    "ended",
    "signal",
    "drain",
    "grace",
    "variable",
    "nearest",
    "cores",
    "memory_bytes",
    "task",
)
OUTCOMES = ("success", "fault", "queued", "running", "succeeded", "failed", "cancelled", "lost", "taken")
EVENTS = re.compile(r"[a-z/ ]{1,60}")  # those of our own; another library's event is a message
_FRAME = re.compile(
    r'^[ \t]*+File "(?P<file>[^"\n]{1,300})", line (?P<line>\d{1,9}), in (?P<function>\w{1,100})$', re.MULTILINE
)
_ERROR = re.compile(r"^(?P<kind>[\w.]{1,100}(?:Error|Exception|Died|Warning))\b", re.MULTILINE)


def last(file: Path) -> str:
    """Return the last lines of a log, each with its harmless fields alone; others are counted."""
    kept: deque[str] = deque(maxlen=MAX_LINES)
    others = 0
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if (found := _line(line)) is None:
                others += 1
            else:
                kept.append(json.dumps(found))
    return "".join(f"{line}\n" for line in (*kept, json.dumps({"lines of others": others})))


def _line(text: str) -> dict[str, Any] | None:
    """Return the harmless part of a line; None if it is none of ours."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or "event" not in found:
        return None
    harmless = {name: found[name] for name in FIELDS if name in found}
    if not EVENTS.fullmatch(str(found["event"])):
        harmless["event"] = "(of a library)"
    if found.get("outcome") in OUTCOMES:
        harmless["outcome"] = found["outcome"]
    elif "outcome" in found:
        harmless["outcome"] = "(a message)"
    if "traceback" in found:
        harmless["traceback"] = _traceback(str(found["traceback"]))
    return harmless


def _traceback(text: str) -> list[str]:
    """Return files, lines and functions of a traceback, and the kinds of its errors."""
    frames = [f"{each['file']}:{each['line']} in {each['function']}" for each in _FRAME.finditer(text)]
    return [*frames, *(each["kind"] for each in _ERROR.finditer(text))]
