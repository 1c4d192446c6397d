"""What the scheduled searches of a flow may not do: their result must not depend on chance.

A search that a scheduler repeats, on several indexers, must give the same result each time. Refused
are therefore commands and functions that depend on the order of rows, on a time zone, or on a limit
that cuts without failing. `dltk search`, panels and reports run them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.functions import REPEATABLE
from dltk_runtime.emulator.spl.statistics.table import STATISTICS
from dltk_runtime.emulator.standin.times import UNIT_SECONDS
from dltk_runtime.errors import shown

_ORDER = "it depends on the order of rows, which a distributed search does not keep"
_CUT = "it cuts at 50,000 rows and 60 s without failing; use lookup, or inputlookup append=t"
_COLUMNS = "its columns follow from the data; use stats"
_SEVERAL = "fields with several values depend on the order of rows"

# Commands that run here otherwise.
REFUSED: Mapping[str, str] = {
    "accum": _ORDER,
    "append": _CUT,
    "appendcols": _ORDER,
    "autoregress": _ORDER,
    "bucket": "write bin",
    "chart": _COLUMNS,
    "delta": _ORDER,
    "filldown": _ORDER,
    "foreach": "its fields follow from the data; write them out",
    "makemv": _SEVERAL,
    "mvcombine": _SEVERAL,
    "mvexpand": _SEVERAL,
    "nomv": _SEVERAL,
    "rare": "it keeps 10 values of the same count in no stable order; use stats",
    "regex": "use match in where",
    "replace": "use replace in eval",
    "reverse": _ORDER,
    "rex": "its regular expressions are PCRE's; use match and replace in eval",
    "sample": "it draws by the order of arrival, so it is no stable hold-out; split by a hash",
    "score": "write what it computes as stats, so that the figure says which rows it comes from",
    "strcat": "use . in eval",
    "tail": _ORDER,
    "timechart": "its spans follow from time zones; use bin _time span= and stats",
    "top": "it keeps 10 values of the same count in no stable order; use stats",
    "transpose": _COLUMNS,
    "untable": _COLUMNS,
    "xyseries": _COLUMNS,
}

_CALL = re.compile(r"\b([a-z_]\w*)\s*\(", re.IGNORECASE)
_BIN = re.compile(r"_time\s+span=(\d+)([smh])|span=(\d+)([smh])\s+_time")


def check(name: str, arguments: str) -> None:
    """Refuse arguments whose result depends on chance.

    Raises:
        SearchInvalid: the reason, and what to write instead.
    """
    rule = _RULES.get(name)
    if rule is not None:
        rule(arguments.strip())


def _sort(arguments: str) -> None:
    if not re.match(r"0\s", arguments) or "limit" in arguments:
        raise SearchInvalid(f"begin it with 0, or Splunk keeps 10,000 rows: sort 0 {arguments}")


def _stats(arguments: str) -> None:
    for name in _CALL.findall(arguments):
        statistic = STATISTICS.get(name.lower())
        if statistic is not None and not statistic.repeatable and name.lower() not in REPEATABLE:
            raise SearchInvalid(
                f"{name}() depends on the order of rows, makes multivalue fields or is approximated: use max, min or dc"
            )
        if re.fullmatch(r"(exact|upper)?perc\d.*|p\d.*", name):
            raise SearchInvalid(f"{name}() is approximated: use max, min, avg or dc")
    if re.search(r"\w\*|\*\)", arguments):
        raise SearchInvalid("the wildcard fields follow from the data: write them out")


def _streamstats(arguments: str) -> None:
    _stats(arguments)
    if re.search(r"\bby\b|window\s*=|reset_|global\s*=", arguments, re.IGNORECASE):
        raise SearchInvalid("streamstats with BY, a window or resets depends on the order of rows")


def _dedup(arguments: str) -> None:
    if re.match(r"\d", arguments) or re.search(r"sortby|keep|consecutive", arguments, re.IGNORECASE):
        raise SearchInvalid("write dedup with names of fields alone, after sort 0")


def _head(arguments: str) -> None:
    if not re.fullmatch(r"\d*", arguments):
        raise SearchInvalid(f"expected an integer, got {shown(arguments)}")


def _bin(arguments: str) -> None:
    found = _BIN.fullmatch(arguments)
    seconds = int(found[1] or found[3]) * UNIT_SECONDS[found[2] or found[4]] if found else 0
    if not seconds or UNIT_SECONDS["h"] % seconds:
        raise SearchInvalid(f"expected bin _time span=<a divisor of an hour, such as 5m>, got {shown(arguments)}")


def _rename(arguments: str) -> None:
    if "*" in arguments:
        raise SearchInvalid("the wildcard fields follow from the data: write them out")


def _lookup(arguments: str) -> None:
    if not re.match(r"local\s*=\s*(t|true|1)\b", arguments, re.IGNORECASE):
        raise SearchInvalid("local=true is wanted: a collection is on the search head, not on the indexers")
    if not re.search(r"\bOUTPUT\b", arguments, re.IGNORECASE):
        raise SearchInvalid("OUTPUT with names of fields is wanted, so that a null overwrites an older value")


def _search(arguments: str) -> None:
    if "*" in arguments:
        raise SearchInvalid("the wildcard runs in Splunk only here: write the values out with OR")


_RULES = {
    "bin": _bin,
    "dedup": _dedup,
    "eventstats": _stats,
    "head": _head,
    "lookup": _lookup,
    "rename": _rename,
    "search": _search,
    "sort": _sort,
    "stats": _stats,
    "streamstats": _streamstats,
    "tstats": _stats,
}
