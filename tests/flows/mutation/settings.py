"""Mistakes in settings: windows, schedules, alerts, rights, lookups, tokens of views, indexes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.flows.mutation.edits import (
    ARGUED,
    HEADER,
    MACROS,
    SEARCHES,
    SETTINGS,
    Mistake,
    Texts,
    edit,
    files_of,
    in_searches,
    joined,
    misspelt,
    replaced,
    writing,
)

# Which right which text of a search needs.
NEEDED = {
    "schedule_search": r"cron_schedule",
    "run_custom_command": r"\bapply\b",
    "run_collect": r"\|\s*collect\b",
    "run_mcollect": r"\|\s*mcollect\b",
    "input_file": r"\binputlookup\b",
    "output_file": r"\boutputlookup\b",
    "upload_lookup_files": r"\bfit\b",
    "list_storage_passwords": r"\bapply\b",
    "fit_mltkcontainer": r"\bfit\b",
    "apply_mltkcontainer": r"\bapply\b",
}
# Settings of scheduled searches: what else stands there, and why that is a mistake.
REASONS: dict[str, tuple[str, str]] = {
    "realtime_schedule": ("1", "periods are skipped when the search head is busy"),
    "schedule_window": ("auto", "the start shifts, and runs overlap"),
    "allow_skew": ("50%", "the start shifts, and runs overlap"),
    "max_concurrent": ("3", "two runs write the same window"),
    "dispatch.allow_partial_results": ("true", "a dead indexer gives half of the rows and no error"),
    "durable.track_time_type": ("", "a failed run is lost"),
    "durable.lag_time": ("300", "the lag is counted twice"),
    "durable.backfill_type": ("", "nothing says what is run again"),
    "durable.max_backfill_intervals": ("", "nothing says how much is run again"),
    "alert.track": ("0", "the alert is seen nowhere"),
    "alert.suppress": ("0", "the alert repeats itself in every run"),
    "alert.suppress.fields": ("", "one row suppresses all others"),
    "counttype": ("", "the alert never fires"),
    "relation": ("less than", "the alert fires when nothing is wrong"),
    "quantity": ("5", "the alert stays silent for less than six rows"),
    "enableSched": ("1", "it runs before its owner, index and model exist"),
    "dispatch.earliest_time": ("rt-5m", "a real-time search is refused"),
}


def shifted_window(texts: Texts) -> Iterator[Mistake]:
    """Shift one end of a window, or leave out its snap."""
    yield from shifted_base(texts)
    for path, text in files_of(texts, SETTINGS):
        for _, block in writing(text):
            for match in re.finditer(
                r"dispatch\.(?:index_)?(earliest|latest)(?:_time)? = (-\d+)m@m", text[slice(*block)]
            ):
                at = (block[0] + match.start(2), block[0] + match.end())
                minutes = int(match[2])
                for new in (f"{minutes}m", f"{minutes - 5}m@m", f"{minutes + 3}m@m", "-1h", "now"):
                    if (new == "now") == (match[1] == "latest") or new not in ("now", "-1h"):
                        yield edit("shifted window", path, text, at, new)


def shifted_base(texts: Texts) -> Iterator[Mistake]:
    """Shift the window of a training, or write one into the macro of the base."""
    for path, text in files_of(texts, SETTINGS):
        for match in re.finditer(r"dispatch\.earliest_time = (-\d+d@d)$", text, re.MULTILINE):
            head = max(HEADER.finditer(text, 0, match.start()), key=lambda each: each.start())
            if "_train" in head[1]:
                yield from (edit("shifted window", path, text, match.span(1), new) for new in ("-30d", "-30m@m"))
    for path, text in files_of(texts, MACROS):
        for match in re.finditer(r"_base\]\ndefinition = (index=\S+)", text):
            for new in ("earliest=-1h", "earliest=-10m@m latest=now"):
                yield edit("shifted window", path, text, match.span(1), f"{match[1]} {new}")


def shifted_schedule(texts: Texts) -> Iterator[Mistake]:
    """Start a search at other times than its window is made for."""
    for path, text in files_of(texts, SETTINGS):
        for _, block in writing(text):
            for match in re.finditer(r"cron_schedule = (\d+)(-59/5)?( \d+)?(.*)$", text[slice(*block)], re.MULTILINE):
                at = (block[0] + match.start(1), block[0] + match.end())
                often = ("*/10 * * * *", "*/15 * * * *", "0 * * * *", "* * * * *")
                for new in often if match[2] else ("*/5 * * * *", "0 3 1 1 *", "61 3 * * *"):
                    yield edit("shifted schedule", path, text, at, new)
        for match in re.finditer(r"cron_schedule = (\d+ \* \* \* \*)$", text, re.MULTILINE):
            yield edit("shifted schedule", path, text, match.span(1), "* * * * *", "more than 12 starts an hour")


def wrong_setting(texts: Texts) -> Iterator[Mistake]:
    """Drop a setting of a scheduled search, or set it to another value."""
    for path, text in files_of(texts, SETTINGS):
        heads = [*HEADER.finditer(text)]
        for number, head in enumerate(heads):
            end = heads[number + 1].start() if number + 1 < len(heads) else len(text)
            yield from _settings_of(path, text, (head.end(), end))


def _settings_of(path: str, text: str, block: tuple[int, int]) -> Iterator[Mistake]:
    body = text[slice(*block)]
    writes = re.search(r"\| (?:collect|mcollect|outputlookup)\b", body) is not None
    if "cron_schedule" not in body:
        return
    for match in re.finditer(r"^([\w.]+) = (.*)$", body, re.MULTILINE):
        value, reason = REASONS.get(match[1], ("", ""))
        alert = match[1].startswith("alert") or match[1] in ("counttype", "relation", "quantity", "enableSched")
        if not reason or value == match[2] or not (alert or writes):
            continue
        new = f"{match[1]} = {value}" if value else ""
        at = (block[0] + match.start(), block[0] + match.end())
        yield edit("wrong setting", path, text, at, new, reason)


def dropped_right(texts: Texts) -> Iterator[Mistake]:
    """Take a right away that a search of the app needs."""
    everything = "\n".join(text for path, text in files_of(texts, SEARCHES))
    for path, text in files_of(texts, re.compile(r"authorize\.conf")):
        for match in re.finditer(r"^(\w+) = enabled\n", text, re.MULTILINE):
            if re.search(NEEDED.get(match[1], r"\Z."), everything) and _runner(text, match.start()):
                for new in ("", f"{match[1]} = disabled\n"):
                    yield edit("dropped right", path, text, match.span(), new, ARGUED["right"])
        for match in re.finditer(r"^srchIndexesAllowed = (\S+)\n", text, re.MULTILINE):
            for new in {match[1].rpartition(";")[0], misspelt(match[1])}:
                yield edit("dropped right", path, text, match.span(1), new, ARGUED["right"])
    yield from dropped_access(texts)


def dropped_access(texts: Texts) -> Iterator[Mistake]:
    """Take a role out of an access list, or give the list to another object."""
    for path, text in files_of(texts, re.compile(r"flow_\w+(?<!_indexes)/metadata/default\.meta")):
        for match in re.finditer(r"(?:read|write) : \[ (.*?dltk_\w+.*?) \]", text):
            for role in re.findall(r"dltk_\w+", match[1]):
                left = ", ".join(name for name in re.findall(r"\w+", match[1]) if name != role)
                at = (match.start(1), match.end(1))
                yield edit("dropped right", path, text, at, left, ARGUED["right"])
        for match in re.finditer(r"^\[((?:collections|transforms|lookups)\S*)\]$", text, re.MULTILINE):
            yield edit("dropped right", path, text, match.span(1), f"{match[1]}_old", ARGUED["right"])


def _runner(text: str, at: int) -> bool:
    """Whether the line at `at` belongs to the role of the account that runs the searches."""
    return text.rfind("_runner]", 0, at) > max(text.rfind("_viewer]", 0, at), text.rfind("_reviewer]", 0, at))


def wrong_lookup(texts: Texts) -> Iterator[Mistake]:
    """Read or write another lookup, or describe one otherwise."""
    names = sorted(set(re.findall(r"^\[(dltk_\w+)\]$", joined(texts, r"transforms\.conf"), re.MULTILINE)))
    for path, text, match in in_searches(texts, r"\b(?:input|output)?lookup (?:\w+=\S+ )*(dltk_\w+(?:\.csv)?)"):
        others = [name for name in names if name != match[1]]
        for new in (misspelt(match[1]), *others[:2]):
            yield edit("wrong lookup", path, text, match.span(1), new)
    yield from replaced("wrong lookup", texts, r" append=t key_field=_key", "", " append=t")
    yield from replaced("wrong lookup", texts, r"\blookup local=true", "lookup")
    yield from replaced("wrong lookup", texts, r"_key AS \w+ OUTPUT|_key OUTPUT", "entity OUTPUT")
    for path, text in files_of(texts, re.compile(r"(?:transforms|collections)\.conf")):
        for match in re.finditer(
            r"^(?:\[(dltk_\w+)\]|collection = (\w+)|fields_list = (_key, )|(field\.\w+ = \w+)\n)", text, re.MULTILINE
        ):
            group = next(number for number in range(1, 5) if match[number])
            new = misspelt(match[group]) if group < 3 else ""
            yield edit("wrong lookup", path, text, match.span(group), new, "objects of Splunk" if group == 4 else "")


def wrong_token(texts: Texts) -> Iterator[Mistake]:
    """Misspell a token of a dashboard, or leave out what sets it, quotes it or unsets it."""
    for path, text in files_of(texts, re.compile(r"views/\w+\.xml")):
        for pattern in (
            r'(?<=token=")[\w.]+(?=")',
            r"(?<=\$)[a-z_]+(?=\|s\$)",
            r'(?<=depends="\$)\w+',
            r"(?<=\$)time(?=\.)",
            r'(?<="token": ")\w+(?=")',
        ):
            for match in re.finditer(pattern, text):
                new = misspelt(match[0])
                if new != match[0] and _waits(text[: match.start()] + new + text[match.end() :]) != _waits(text):
                    yield edit("wrong token", path, text, match.span(), new, ARGUED["token"])
        for match in re.finditer(r"<done>.*?</done>", text, re.DOTALL):
            yield edit("wrong token", path, text, match.span(), "", "the search of the click runs again on reload")
        for match in re.finditer(r"\$\w+(\|s)\$", text):
            yield edit("wrong token", path, text, match.span(1), "", "a quote in the value ends the text")
        for match in re.finditer(r'(?:(?<= ref=")|(?<="ref": "))\w+(?=")', text):
            yield edit("wrong token", path, text, match.span(), misspelt(match[0]), "a panel over no search")
        for match in re.finditer(r' version="(?:1.1|2)"', text):
            yield edit("wrong token", path, text, match.span(), "", "Splunk's vetting refuses it")


def _waits(text: str) -> frozenset[str]:
    """Return the tokens of a view that are used and never set."""
    own = {"row", "click", "env", "result", "job"}
    used = set(re.findall(r"\$(?:form\.)?([\w]+)(?:[.:]\w+)?(?:\|s)?\$", text)) - own
    made = set(re.findall(r'<(?:set|input|eval)\b[^>]*token="(?:form\.)?(\w+)"|"token": "(\w+)"', text))
    made = {name for each in made for name in each}
    return frozenset(used - made)


def wrong_index(texts: Texts) -> Iterator[Mistake]:
    """Describe the index otherwise than it is used."""
    for path, text in files_of(texts, re.compile(r"indexes\.conf")):
        for match in re.finditer(r"^\[(\w+)\]$", text, re.MULTILINE):
            yield edit("wrong index", path, text, match.span(1), misspelt(match[1]), ARGUED["index"])
            metric = "datatype = metric" in text[match.end() : match.end() + 80]
            if not metric:
                yield edit("wrong index", path, text, (match.end(),) * 2, "\ndatatype = metric", ARGUED["index"])
        for match in re.finditer(r"^datatype = metric\n", text, re.MULTILINE):
            yield edit("wrong index", path, text, match.span(), "", ARGUED["index"])
        for match in re.finditer(r"^(?:homePath|coldPath|thawedPath) = .*\n", text, re.MULTILINE):
            yield edit("wrong index", path, text, match.span(), "", ARGUED["index"])
