"""Commands of Splunk that do not run here, each with its reason. All others are unknown."""

from __future__ import annotations

from collections.abc import Mapping

from dltk_runtime.emulator.errors import CommandUnknown, SearchError

_ORDER = "it depends on the order of rows, which a distributed search does not keep"
_CUT = "it cuts at 50,000 rows and 60 s without failing; use lookup, or inputlookup append=t"
_METRIC = "there is no metrics index and no data model here"

# Left to the rework of flows: until then these commands stay refused, with these texts.
REFUSED: Mapping[str, str] = {
    "append": _CUT,
    "appendcols": _ORDER,
    "chart": "its columns follow from the data; use stats",
    "delete": "nothing is deleted here",
    "from": _METRIC,
    "join": _CUT,
    "makemv": "there are no multivalue fields here",
    "map": "it starts searches of its own, and is a risky command",
    "mcollect": _METRIC,
    "mstats": _METRIC,
    "mvexpand": "there are no multivalue fields here",
    "rest": "there is no splunkd behind it",
    "rex": "its regular expressions are PCRE's; use match and replace in eval",
    "tail": _ORDER,
    "timechart": "its spans follow from time zones; use bin _time span= and stats",
    "transaction": _ORDER,
    "tstats": _METRIC,
    "xyseries": "its columns follow from the data; use stats",
}

# Commands that run here, but are refused if a table of commands omits them, as that of flows does.
LEFT_OUT: Mapping[str, str] = {
    "sample": "it draws by the order of arrival, so it is no stable hold-out; split by a hash",
}


class CommandRefused(CommandUnknown):
    """A known command of Splunk that does not run here, and the reason."""

    def __init__(self, command: str, reason: str) -> None:
        SearchError.__init__(
            self,
            f"The command {command!r} runs in Splunk only: {reason}. "
            "Run this search in Splunk, or save what comes before the command as CSV there and start from inputlookup.",
        )
