"""Commands of Splunk that do not run here, each with its reason. All others are unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dltk_runtime.emulator.errors import CommandUnknown, SearchError

_CUT = "it cuts at 50,000 rows and 60 s without failing; use lookup, or inputlookup append=t"
_METRIC = "there is no metrics index and no data model here"

# Commands with a reason, or with what to use instead.
REFUSED: Mapping[str, str] = {
    "delete": "nothing is deleted here",
    "from": _METRIC,
    "join": _CUT,
    "map": "it starts searches of its own, and is a risky command",
    "mcollect": _METRIC,
    "mstats": _METRIC,
    "multisearch": "there is one search here; use append",
    "rest": "there is no splunkd behind it",
    "savedsearch": "there are no saved searches here; write its text",
    "selfjoin": _CUT,
    "transaction": "its rules for open transactions are not documented; use stats",
    "union": "use append",
}

# Commands that run here, but are refused if a table of commands omits them, as that of flows does.
LEFT_OUT: Mapping[str, str] = {
    "sample": "it draws by the order of arrival, so it is no stable hold-out; split by a hash",
}

# What to write in place of commands that are missing here.
_INSTEAD: Mapping[str, str] = {
    "addtotals": "use eval total=a+b",
    "convert": "use strftime, strptime and tonumber in eval",
    "makecontinuous": "use timechart",
    "predict": "use fit with an algorithm that forecasts",
    "rangemap": "use case in eval",
    "spath": "use json_extract in eval",
    "trendline": "use streamstats window=",
    "uniq": "use dedup",
}

# All commands of the Search Reference 9.4 and of the toolkit, whether they run here or not.
_ALL_COMMANDS = """
    abstract accum addcoltotals addinfo addtotals analyzefields anomalies anomalousvalue anomalydetection append
    appendcols appendpipe apply arules associate audit autoregress bin bucket bucketdir ai chart cluster cofilter
    collect concurrency contingency convert correlate createrss crawl datamodel dbinspect dbxlookup dbxquery debug
    dedup delete deletemodel delta diff dispatch dump erex eval eventcount eventstats extract fieldformat fields
    fieldsummary filldown fillnull findtypes fit folderize foreach format from fromjson gauge gentimes geom
    geomfilter geostats head highlight history iconify input inputcsv inputintelligence inputlookup iplocation join
    kmeans kv kvform listmodels loadjob localize localop lookup makecontinuous makejson makemv makeresults map
    mcatalog mcollect metadata metasearch meventcollect mpreview mrollup msearch mstats multikv multireport
    multisearch mvcombine mvexpand newseriesfilter nomv noop outlier outputcsv outputlookup outputtext overlap
    pivot predict prjob rangemap rare redistribute regex reltime rename replace require rest return reverse rex
    rtorder run runshellscript sample savedsearch score script scrub search searchtxn selfjoin sendalert sendemail
    set setfields sichart sirare sistats sitimechart sitop snoozealert sort spath stats strcat streamstats summary
    summarize table tags tail timechart timewrap tojson top transaction transpose trendline tscollect tstats
    typeahead typelearner typer union uniq untable walklex where x11 xmlkv xmlunescape xpath xyseries
"""
SPLUNK_COMMANDS = frozenset(_ALL_COMMANDS.split())


class CommandRefused(CommandUnknown):
    """A known command of Splunk that does not run here, and the reason."""

    def __init__(self, command: str, reason: str) -> None:
        SearchError.__init__(
            self,
            f"The command {command!r} runs in Splunk only: {reason}. "
            "Run this search in Splunk, or save what comes before the command as CSV there and start from inputlookup.",
        )


class CommandElsewhere(CommandUnknown):
    """A command that Splunk has and that is missing here."""

    def __init__(self, command: str) -> None:
        instead = f"; {_INSTEAD[command]}" if command in _INSTEAD else ""
        SearchError.__init__(
            self,
            f"The command {command!r}: Splunk has it, dltk search does not{instead}. "
            "Run this search in Splunk, or save what comes before the command as CSV there and start from inputlookup.",
        )


def missing(command: str, known: Iterable[str]) -> CommandUnknown:
    """Make the error of a command that is not in the table of commands."""
    reason = REFUSED.get(command) or LEFT_OUT.get(command)
    if reason:
        return CommandRefused(command, reason)
    return CommandElsewhere(command) if command in SPLUNK_COMMANDS else CommandUnknown(command, known)
