"""Commands that run in Splunk only, each with its reason; what is in neither table is no command that is known here."""

from __future__ import annotations

from collections.abc import Mapping

from dltk_runtime.emulator.errors import CommandUnknown, SearchError

_ORDER = "it depends on the order of rows, which a distributed search does not keep"
_CUT = "it cuts at 50,000 rows and 60 s without failing; use lookup, or inputlookup append=t"
_METRIC = "there is no metrics index and no data model here"

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

# Commands that run here and are refused where the table of commands leaves them out, as in flows.
LEFT_OUT: Mapping[str, str] = {
    "sample": "it draws by the order of arrival, so it is no stable hold-out; split by a hash",
}


class CommandRefused(CommandUnknown):
    """A command of Splunk's that is known and does not run here; says why."""

    def __init__(self, command: str, reason: str) -> None:
        SearchError.__init__(
            self,
            f"The command {command!r} runs in Splunk only: {reason}. "
            "Run this search in Splunk, or save what comes before the command as CSV there and start from inputlookup.",
        )
