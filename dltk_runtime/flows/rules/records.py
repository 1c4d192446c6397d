"""Chapter 8: whole records: what is written has the fields that its readers, and other writers, have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dltk_runtime.flows import flow as flows
from dltk_runtime.flows.app import App
from dltk_runtime.flows.dataflow import Dataflow, SearchFlow, dataflow
from dltk_runtime.flows.dataflow.notes import Write
from dltk_runtime.flows.dataflow.shapes import LEAF, Shape
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.rules.rule import Found, Rule

_QUALITY = frozenset(("precision", "recall", "coverage"))
# The source types that the commands give.
_FREE = {"collect": "stash", "mcollect": "mcollect_stash"}


def _unnamed_fields(app: App, apps: Sequence[App]) -> Iterator[Found]:
    for search, write in dataflow(app, apps).writes():
        if write.command == "collect" and any(shape.open and shape.modelled for shape in write.shapes):
            yield Found(search.where, "collect writes every column that the model returns")


def _filled_in_part(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Records with features of which fillnull names some: the others are null to whoever learns from them or scores.

    A reader that fills these others, and none of those that are filled already, shares the work with the writer.
    """
    flow = dataflow(app, apps)
    features = {name for search in flow.searches for _, names in flow.learned(search) for name in names}
    missing: dict[str, set[str]] = {}
    for reader in flow.searches:
        for rows, names in flow.learned(reader):
            for writer, shape in _sources(flow, reader):
                kept = features & shape.fields
                filled = {name for name in kept if _by_hand(shape, name)}
                again = any(_by_hand(rows, name) for name in filled)
                empty = kept & names - shape.filled - (frozenset() if again else rows.filled)
                if filled and empty:
                    missing.setdefault(writer.where, set()).update(empty)
    for where, empty in missing.items():
        yield Found(where, f"writes {', '.join(sorted(empty))} with nulls; other features are filled")


def _sources(flow: Dataflow, reader: SearchFlow) -> Iterator[tuple[SearchFlow, Shape]]:
    """Yield the writers of the records that a search reads, and their forms; not those who write them again."""
    for read in reader.notes.reads:
        for writer, _, shape in flow.found_by(read):
            if shape.source != "index":
                yield writer, shape


def _by_hand(shape: Shape, name: str) -> bool:
    return shape.expression(name).startswith("fill(")


def _chosen_by_score(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Samples that a report of quality asks for, and that a scoring draws by what the model has answered."""
    flow = dataflow(app, apps)
    reports = [search for search in flow.searches if search.notes.made & _QUALITY]
    reads = [read for search in reports for read in search.notes.reads if read.lookup]
    drawn = {name for read in reads for asked in read.alternatives for name in asked}
    for search, write in flow.writes():
        before = [apply.shape for apply in search.notes.applies]
        made = {leaf for each in before for text in each.made.values() for leaf in LEAF.findall(text)}
        for shape in write.shapes if before else ():
            for name in sorted(drawn & shape.fields):
                leaves = dict.fromkeys(LEAF.findall(shape.expression(name)))
                answered = [leaf for leaf in leaves if leaf not in made and not any(each.has(leaf) for each in before)]
                if answered:
                    yield Found(search.where, f"{name} of {write.target} depends on {', '.join(answered)}")


def _shortened(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Searches that read records and write them back by key, without columns that other writers give them."""
    writers: dict[str, list[tuple[SearchFlow, Write, set[str]]]] = {}
    for search, write in dataflow(app, apps).writes():
        if write.command == "outputlookup" and "key_field" in write.options and write.shapes:
            columns = {name for shape in write.shapes for name in shape.fields}
            if not any(shape.open for shape in write.shapes):
                writers.setdefault(write.target, []).append((search, write, columns))
    for target, found in writers.items():
        known = set().union(*(columns for _, _, columns in found))
        for search, _, columns in found if len(found) > 1 else ():
            reads = [read for read in search.notes.reads if read.lookup and read.target == target]
            back = not all("_key" in asked for read in reads for asked in read.alternatives)  # of its own by their keys
            missing = sorted(name for name in known - columns if not name.startswith("_"))
            if back and missing:
                yield Found(search.where, f"{target}: {', '.join(missing)} of the records that it reads are lost")


def _licensed(app: App, apps: Sequence[App]) -> Iterator[Found]:
    flow = dataflow(app, apps)
    for search, write in flow.writes():
        kind, free = write.options.get("sourcetype"), _FREE.get(write.command)
        if free and kind and kind != free and not _asked_for(flow, write.target, kind):
            yield Found(search.where, f"{write.command} sourcetype={kind}")


def _asked_for(flow: Dataflow, index: str, kind: str) -> bool:
    """Return whether a search of the app reads these events by their source type: then it is meant."""
    reads = (read for search in flow.searches for read in search.notes.reads if read.target == index)
    return any(kind in asked.get("sourcetype", ()) for read in reads for asked in read.alternatives)


def _other_algorithm(app: App, apps: Sequence[App]) -> Iterator[Found]:
    path = app.folder.parent / flows.FILE
    try:
        flow = flows.read(path) if path.is_file() else None
    except FlowInvalid:
        return  # whoever writes the apps from it is told
    if flow is None or flow.app != app.name:
        return
    for search, fit in dataflow(app, apps).fits():
        if fit.model == flow.model and "algo" in fit.options and flow.algorithm and fit.algorithm != flow.algorithm:
            yield Found(search.where, f"algo={fit.algorithm} into {fit.model}; flow.yaml has {flow.algorithm}")


RULES = (
    Rule(
        812,
        "Columns of a notebook that nobody has named reach the index, and one may have a name of the record's own.",
        "Name what is written: fields _time kind flow event_key entity predicted_y model_version.",
        _unnamed_fields,
    ),
    Rule(
        813,
        "A stored feature may be null where others are filled: apply drops such rows, and training learns from a value "
        "that nobody chose.",
        "Fill each feature in the macro that makes them: fillnull value=0 f1 f2.",
        _filled_in_part,
    ),
    Rule(
        814,
        "outputlookup with a key replaces the whole record: what was read and is not written back is lost.",
        "Write all columns of the record, or to a collection of its own.",
        _shortened,
    ),
    Rule(
        818,
        "The sample that quality is measured on depends on what the model has answered: it lacks what the model is "
        "sure of, and precision or recall of it say nothing.",
        "Draw it by the key alone, in a field of its own: sampled=if(tonumber(substr(event_key,2,4),16)<1311,1,0).",
        _chosen_by_score,
    ),
    Rule(
        815,
        "What a search writes costs no licence with the source type that the command gives it, and no reader asks for "
        "another.",
        "Leave sourcetype out of collect and mcollect.",
        _licensed,
    ),
    Rule(
        816,
        "Another algorithm than flow.yaml names, into the same model: fits of both share its versions and its entry.",
        "Write the name as flow.yaml has it; for another algorithm raise version there and write the apps again.",
        _other_algorithm,
    ),
)
