"""Chapter 5: summary indexes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dltk_runtime.flows.app import App
from dltk_runtime.flows.dataflow import Dataflow, dataflow
from dltk_runtime.flows.dataflow.pipe import Command, everything_in, names_in
from dltk_runtime.flows.rules.rule import Found, Rule, Text, saved, scheduled, texts

_REPEATED = ("row", "prediction")  # records that a second run of a window writes again
_FEATURE_SET = re.compile(r'feature_set\s*=\s*"v(\d+)"')


def _not_deduplicated(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Readers of records with a key that neither drop duplicates nor group by the key."""
    flow = dataflow(app, apps)
    for search in flow.searches:
        kinds = {text for read in search.notes.reads for each in read.alternatives for text in each.get("kind", ())}
        keyed = {text for text in kinds if _has_key(flow, text)}
        once = any(_by_key(each) for each in everything_in(search.commands))
        if keyed and keyed == kinds and not once:
            yield Found(search.where, f'kind="{"|".join(sorted(keyed))}" without dedup event_key')


def _has_key(flow: Dataflow, kind: str) -> bool:
    """Whether records of this kind are told apart by a key: rows and predictions, which a second run writes again."""
    shapes = [shape for _, write in flow.writes() if write.command == "collect" for shape in write.shapes]
    own = (shape for shape in shapes if kind in shape.values.get("kind", ()))
    return kind in _REPEATED and any("event_key" in shape.fields for shape in own)


def _by_key(command: Command) -> bool:
    text = command.arguments
    if command.name == "dedup":
        return bool({"event_key", "entity", "_key"} & set(names_in(text)))
    grouped = re.search(r"\bdc\(|\bBY\b.*\b(?:event_key|entity)\b", text, re.IGNORECASE)
    return command.name == "stats" and grouped is not None


def _dedup_unsorted(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        names = [name for name, _ in text.commands]
        from_index = names and names[0] == "search"
        if from_index and "dedup" in names and "sort" not in names[: names.index("dedup")] and text.search.view == "":
            yield Found(text.where, "dedup without sort 0 before it")


def _missing_index(app: App, apps: Sequence[App]) -> Iterator[Found]:
    known = {stanza.name for each in apps for stanza in each.conf("indexes.conf")}
    for text in texts(app):
        for arguments in text.of("collect", "mcollect"):
            match = re.search(r"index\s*=\s*\"?([^\s\"]+)", arguments)
            if known and match and match[1] not in known:
                yield Found(text.where, f"the index {match[1]}; there are {', '.join(sorted(known))}")


def _mixed_index_app(app: App, _: Sequence[App]) -> Iterator[Found]:
    if app.conf("indexes.conf") and app.conf("savedsearches.conf"):
        yield Found("default/indexes.conf", "beside searches")


def _marker(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for arguments in text.of("collect"):
            if "marker=" in arguments and "output_format=raw" not in arguments:
                yield Found(text.where, "marker= without output_format=raw")


def _info_left(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        between = re.search(r"\baddinfo\b(.*?)\|\s*(?:m?collect)\b", text.spl, re.DOTALL)
        if between and not re.search(r"\|\s*(?:fields(?!\s+-)|table)\s|fields\s+-\s+[^|]*info_", between[1]):
            yield Found(text.where, "info_* fields reach collect")


def _addinfo_default(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        yield from (Found(text.where, "collect") for each in text.of("collect") if "addinfo=f" not in each)


def _float_keys(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for call in re.findall(r"sha256\(((?:[^()]|\([^()]*\)|\((?:[^()]|\([^()]*\))*\))*)\)", text.spl):
            if (
                re.search(r"(?<!floor\()\b_time\b|info_(min|max)_time", call)
                and "floor(" not in call
                and "_raw" not in call
            ):
                yield Found(text.where, f"sha256({call})")


def _bucket_keys(app: App, _: Sequence[App]) -> Iterator[Found]:
    yield from (Found(text.where, "_cd or _bkt") for text in texts(app) if text.says(r"\b_(cd|bkt)\b"))


def _no_commit(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        if text.has("collect") and text.says(r'kind\s*=\s*"row"') and not text.says(r'kind\s*=\s*"(run|scored)"'):
            yield Found(text.where, "no run record")


def _versions_differ(app: App, _: Sequence[App]) -> Iterator[Found]:
    """One feature set in the whole app, and the model's name carries it."""
    for text in texts(app):
        wanted = set(_FEATURE_SET.findall(text.spl))
        models = set(re.findall(r"(?:app:|user:)\w+_v(\d+)\b", text.spl))
        if len(wanted | models) > 1:
            yield Found(text.where, "versions " + ", ".join(f"v{each}" for each in sorted(wanted | models)))
    found = {version for text in texts(app) for version in _FEATURE_SET.findall(text.spl)}
    if len(found) > 1:
        yield Found("default/savedsearches.conf", "versions " + ", ".join(f"v{each}" for each in sorted(found)))


def _quotes(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        writes_comment = any(
            re.search(r"\bcomment\b", head) for head in [text.before("collect")] if text.has("collect")
        )
        if writes_comment and not text.says(r"replace\(comment,"):
            yield Found(text.where, "comment")
        if text.has("collect") and _quoted_entity(text):
            yield Found(text.where, "entity")


def _quoted_entity(text: Text) -> bool:
    """Whether it writes identifiers of raw events, which may hold anything: neither cleaned nor checked."""
    name, arguments = text.commands[0]
    raw = name == "search" and "flow=" not in arguments
    cleaned = text.says(r'replace\([^|]*"\\""|match\(entity,"\^')
    return raw and not cleaned and re.search(r"\bentity\b", text.before("collect")) is not None


def _no_gap_check(app: App, _: Sequence[App]) -> Iterator[Found]:
    writers = [text for text in saved(app) if text.writes and text.says(r'kind\s*=\s*"run"')]
    watched = any(text.says("streamstats") and text.search.stanza.get("counttype") for text in scheduled(app))
    if writers and not watched:
        yield Found(writers[0].where, "nothing looks for gaps between run records")


def _incomplete(app: App, _: Sequence[App]) -> Iterator[Found]:
    writers = [text for text in saved(app) if text.has("collect") and text.says(r'kind="row".*kind="run"')]
    watched = any(text.says(r"\bdc\(") and text.search.stanza.get("counttype") for text in scheduled(app))
    if writers and not watched:
        yield Found(writers[0].where, "nothing compares the rows of a window with its run record")


def _multivalue(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in saved(app):
        for name in re.findall(r"\b(values|list)\(", text.before("collect") if text.writes else ""):
            yield Found(text.where, f"{name}()")


def _time_lost(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in saved(app):
        for arguments, rest in re.findall(r"\|\s*stats\s([^|\[\]]*)(.*)", text.spl, re.DOTALL)[:1]:
            use, made = re.search(r"floor\(_time\)", rest), re.search(r"[\s,]_time\s*=", rest)
            if use and "_time" not in arguments and not (made and made.start() < use.start()):
                yield Found(text.where, f"stats {arguments.strip()[-60:]}")


def _never_written(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Reads of the app's own records that nothing writes so: by index, source, kind, flow, feature set."""
    for search in dataflow(app, apps).searches:
        for read in search.notes.reads:
            if not read.matched and not read.lookup:
                values = " ".join(f'{name}="{"|".join(sorted(each))}"' for name, each in read.alternatives[0].items())
                yield Found(search.where, f"index={read.target} {values}")


def _overlap(app: App, _: Sequence[App]) -> Iterator[Found]:
    yield from (Found(text.where, "overlap") for text in texts(app) if text.has("overlap"))


RULES = (
    Rule(
        501,
        "Duplicates stay in an index: count and sum over it are wrong after a second run.",
        "Read it by one macro alone: … | sort 0 - written_at | dedup event_key.",
        _not_deduplicated,
    ),
    Rule(
        502,
        "dedup keeps whatever comes first, and the order of events is nobody's promise.",
        "Sort first: sort 0 - written_at.",
        _dedup_unsorted,
    ),
    Rule(
        503,
        "collect into an index that does not exist loses the events.",
        "Define it in the indexers' app, or name one that it defines.",
        _missing_index,
    ),
    Rule(
        504,
        "Indexers need the index, search heads do not; an app with both cannot be installed on either alone.",
        "Put indexes.conf into an app of its own.",
        _mixed_index_app,
    ),
    Rule(505, "marker is only known with output_format=raw.", "Write the values as fields instead.", _marker),
    Rule(
        506,
        "collect takes info_min_time as the event's time.",
        "Drop what addinfo made: fields - info_*, or name what goes on.",
        _info_left,
    ),
    Rule(507, "A number in a key with a fraction makes another key.", "Use tostring(floor(x)).", _float_keys),
    Rule(
        508, "_cd and _bkt change when events are indexed again.", "Make the key of what the event says.", _bucket_keys
    ),
    Rule(
        509,
        "Without a run record nobody knows whether a window without rows was read at all.",
        'Append one: appendpipe [ stats count AS rows | … kind="run" … ].',
        _no_commit,
    ),
    Rule(
        510,
        "Rows, searches or model name carry different versions of the feature set.",
        "Raise the version everywhere at once: dltk flow new --from flow.yaml --force.",
        _versions_differ,
    ),
    Rule(
        515,
        'A double quote in a value ends it: collect writes key="value".',
        'Replace it: replace(comment,"\\"","\'").',
        _quotes,
    ),
    Rule(
        516,
        "Nothing finds windows that were never read.",
        "Add the hourly search for gaps between run records, with an alert, the open end too.",
        _no_gap_check,
    ),
    Rule(
        517,
        "collect adds info_* fields unless it is told not to, and takes the window's beginning as the time.",
        "Write addinfo=f.",
        _addinfo_default,
    ),
    Rule(
        518,
        "A window whose search was cut short has a run record all the same.",
        "Compare dc(event_key) of the rows with the run record's number, hourly, with an alert: where have<rows.",
        _incomplete,
    ),
    Rule(
        519,
        "A field of many values is no feature, and an index keeps it as one text.",
        "Use max, min, dc or count.",
        _multivalue,
    ),
    Rule(
        520,
        "overlap finds double and missing times of si commands, and knows nothing of event keys.",
        "Look for gaps between run records instead.",
        _overlap,
    ),
    Rule(
        524,
        "stats keeps nothing but what it computes and groups by: behind it _time is null, and so is a key made of it.",
        "Group by it: BY _time entity.",
        _time_lost,
    ),
    Rule(
        525,
        "A record of a kind, flow or feature set that no search writes: nothing is found, and nothing is said.",
        "Read what is written: compare with the eval in front of collect.",
        _never_written,
    ),
)
