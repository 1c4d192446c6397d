"""Chapter 6: collections, labels, review dashboards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from dltk_runtime.flows import conf, rights
from dltk_runtime.flows.app import App
from dltk_runtime.flows.rules.rule import Found, Rule, saved, scheduled, texts

_RISKY = re.compile(r"\|\s*(fit|deletemodel|collect|mcollect|outputlookup|map)\b")
_BARE_TOKEN = re.compile(
    r"\$([A-Za-z_][\w.:]*(?:\|[a-rt-z])?)\$"
)  # also $env:user$, and with a filter that does not quote


def _lookups(app: App) -> dict[str, str]:
    """KV store lookups by name, and the collection of each."""
    return {
        stanza.name: stanza.get("collection")
        for stanza in app.conf("transforms.conf")
        if stanza.get("external_type") == "kvstore"
    }


def _written(arguments: str) -> str:
    return arguments.rsplit(maxsplit=1)[-1].strip('"') if arguments else ""


def _replacing(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for arguments in text.of("outputlookup"):
            keyed = re.search(r"append=(t|true|1)\b", arguments) and "key_field=_key" in arguments
            if _written(arguments) in _lookups(app) and not keyed:
                yield Found(text.where, f"outputlookup {arguments}")


def _two_writers(app: App, _: Sequence[App]) -> Iterator[Found]:
    writers: dict[str, set[str]] = {}
    for text in texts(app):
        kind = "people" if text.search.view else "scheduled searches" if text.search.scheduled else ""
        for arguments in text.of("outputlookup"):
            if kind:
                writers.setdefault(_written(arguments), set()).add(kind)
    for name, kinds in writers.items():
        if len(kinds) > 1:
            yield Found("default/collections.conf", f"{name} is written by people and by scheduled searches")


def _read_modify_write(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        read = {word for arguments in text.of("inputlookup", "lookup") for word in arguments.split()}
        names = [name for name, _ in text.commands]
        slow = min((names.index(name) for name in ("apply", "fit") if name in names), default=len(names))
        for name, arguments in text.commands[slow:]:  # what is written before takes no minute
            if name == "outputlookup" and _written(arguments) in read:
                yield Found(text.where, f"reads and writes {_written(arguments)}")


def _no_key(app: App, _: Sequence[App]) -> Iterator[Found]:
    for stanza in app.conf("transforms.conf"):
        if stanza.get("external_type") == "kvstore" and "_key" not in re.findall(r"\w+", stanza.get("fields_list")):
            yield Found(f"default/transforms.conf:{stanza.line}", f"[{stanza.name}] fields_list")


def _types(app: App, _: Sequence[App]) -> Iterator[Found]:
    for stanza in app.conf("collections.conf"):
        for key, value in stanza.settings.items():
            if key.startswith("field.") and value.strip() not in ("number", "string", "bool", "time"):
                yield Found(f"default/collections.conf:{stanza.line}", f"[{stanza.name}] {key} = {value}")
        if not stanza.flag("enforceTypes"):
            yield Found(f"default/collections.conf:{stanza.line}", f"[{stanza.name}] enforceTypes is not true")


def _remote(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for arguments in text.of("lookup"):
            if not re.search(r"local=(t|true|1)\b", arguments) and any(name in arguments for name in _lookups(app)):
                yield Found(text.where, f"lookup {arguments[:60]}")


def _empty_labels(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for name in re.findall(r"\bwhere\s+isnull\((\w+)\)", text.spl):
            if text.has("lookup") and not text.says(rf'{name}\s*=\s*""'):
                yield Found(text.where, f"isnull({name}) alone")


def _cut_short(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for name in ("join", "append", "appendcols", "map", "transaction"):
            if text.has(name):
                yield Found(text.where, name)


def _sort_cut(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        yield from (Found(text.where, f"sort {each}") for each in text.of("sort") if not re.match(r"0\s", each))


def _head_unsorted(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in saved(app):
        names = [name for name, _ in text.commands]
        if "head" in names and "sort" not in names[: names.index("head")]:
            yield Found(text.where, "head without sort 0 before it")


def _studio_writes(app: App, _: Sequence[App]) -> Iterator[Found]:
    for path in app.views:
        content = path.read_text(encoding="utf-8", errors="replace")
        if "<definition>" in content and _RISKY.search(content):
            yield Found(str(path.relative_to(app.folder)), "a Studio dashboard writes")


def _bare_tokens(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        if text.search.view and text.writes:
            bare = set(_BARE_TOKEN.findall(text.search.text)) - {"tick"}
            yield from (Found(text.where, f"${name}$") for name in sorted(bare))


def _post_process(app: App, _: Sequence[App]) -> Iterator[Found]:
    for path, root in _trees(app):
        for element in root.iter("search"):
            if element.get("base") and _RISKY.search(element.findtext("query") or ""):
                yield Found(path, f"search base={element.get('base')}")


def _not_done(app: App, _: Sequence[App]) -> Iterator[Found]:
    for path, root in _trees(app):
        for element in root.iter("search"):
            query = element.findtext("query") or ""
            if "outputlookup" in query and "$" in query and element.find("done") is None:
                yield Found(path, element.get("id") or "search")


def _rights(app: App, _: Sequence[App]) -> Iterator[Found]:
    named = {stanza.name for stanza in conf.read(app.folder / "metadata" / "default.meta")}
    for name, collection in _lookups(app).items():
        for wanted in (f"transforms/{name}", f"collections/{collection}"):
            if wanted not in named:
                yield Found("metadata/default.meta", f"[{wanted}] is missing")


def _role_rights(app: App, _: Sequence[App]) -> Iterator[Found]:
    given = {key for stanza in app.conf("authorize.conf") for key in stanza.settings if stanza.flag(key)}
    for command, capabilities in rights.SPLUNK_CAPABILITIES.items():
        if any(text.has(command) for text in texts(app)):
            for capability in capabilities - given:
                yield Found("default/authorize.conf", f"{capability}, which {command} needs")
    if "schedule_search" not in given and scheduled(app):
        yield Found("default/authorize.conf", "schedule_search, which scheduled searches need")


def _insert_only(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        yield from (Found(text.where, each) for each in text.of("outputlookup") if "allow_updates=" in each)


def _biased(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        reads = any(name in arguments for arguments in text.of("inputlookup") for name in _lookups(app))
        if reads and text.says(r"\b(precision|recall)\s*=") and not text.says(r"\bsampled\s*=\s*1\b"):
            yield Found(text.where, "precision or recall of all that is in the queue")


def _agreement(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        if text.has("inputlookup") and text.says(r"\bdc\(\s*reviewer\s*\)"):
            yield Found(text.where, "dc(reviewer) over a collection")


def _emptied(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        for arguments in text.of("outputlookup"):
            replaces = not re.search(r"append=(t|true|1)\b", arguments) and _written(arguments) not in _lookups(app)
            if replaces and not re.search(r"override_if_empty=(f|false|0)\b", arguments):
                yield Found(text.where, f"outputlookup {arguments}")


def _trees(app: App) -> Iterator[tuple[str, ET.Element]]:
    for path in app.views:
        try:
            yield str(path.relative_to(app.folder)), ET.parse(path).getroot()  # noqa: S314 - the user's own files
        except ET.ParseError:
            continue  # rule 713


RULES = (
    Rule(
        601,
        "Without append=t key_field=_key outputlookup replaces the whole collection.",
        "Write outputlookup append=t key_field=_key.",
        _replacing,
    ),
    Rule(
        602,
        "outputlookup replaces whole records: of two writers one loses what the other wrote.",
        "One collection for each writer, joined on read.",
        _two_writers,
    ),
    Rule(
        603,
        "Read, keep the label, write: a label that is written meanwhile is lost.",
        "Write to a collection that this search alone writes, and join on read.",
        _read_modify_write,
    ),
    Rule(
        604, "A lookup whose fields_list lacks _key cannot be written by key.", "Begin fields_list with _key.", _no_key
    ),
    Rule(
        605,
        "Collections know number, bool, string and time, and only check them with enforceTypes.",
        "Use number and string, and enforceTypes = true.",
        _types,
    ),
    Rule(606, "A collection is not on the indexers.", "Write lookup local=true.", _remote),
    Rule(
        607,
        'A field that was emptied is "" and not null.',
        'Treat both alike: isnull(label) OR label="".',
        _empty_labels,
    ),
    Rule(
        608,
        "It cuts at 50,000 rows and 60 seconds without failing, or depends on the order of rows.",
        "Use lookup, or inputlookup append=t.",
        _cut_short,
    ),
    Rule(609, "sort without 0 keeps 10,000 rows.", "Write sort 0.", _sort_cut),
    Rule(610, "head keeps whatever comes first.", "Sort first: sort 0 - uncertainty.", _head_unsorted),
    Rule(
        611,
        "A Studio dashboard has no <done> and no <unset>: it writes again on reload.",
        "Make views that write in Simple XML.",
        _studio_writes,
    ),
    Rule(612, "A token without |s can change the search.", "Write $token|s$ for every text.", _bare_tokens),
    Rule(613, "Post-process searches refuse risky commands (403).", "Make it a search of its own.", _post_process),
    Rule(
        614,
        "A search that writes by tokens runs again with the next one that changes.",
        "Unset them in its <done>.",
        _not_done,
    ),
    Rule(
        615,
        "Without a stanza of its own everybody who may write the app may write this.",
        "Give collection and lookup read and write in metadata/default.meta.",
        _rights,
    ),
    Rule(
        616,
        "A bare role has none of the capabilities that these commands need.",
        "Add it to the role in authorize.conf.",
        _role_rights,
    ),
    Rule(
        617,
        "Whether allow_updates=false skips one record or fails the whole batch, nobody has seen.",
        "Write to a collection of its own instead.",
        _insert_only,
    ),
    Rule(
        618,
        "Precision and recall of rows that were queued for their score say nothing about the model.",
        "Compute them over sampled=1 alone: a share by hash, in a field of its own, whatever the score.",
        _biased,
    ),
    Rule(
        619,
        "A collection keeps the last label alone: everybody seems to agree.",
        'Read kind="label" from the audit index.',
        _agreement,
    ),
    Rule(
        620,
        "A run that finds nothing empties the lookup.",
        "Write outputlookup override_if_empty=f.",
        _emptied,
    ),
)
