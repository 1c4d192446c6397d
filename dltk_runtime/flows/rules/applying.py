"""Chapter 1: what surprises people around fit and apply. Chapters 3 and 4: the command's names, direct scoring."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dltk_runtime.flows.app import App
from dltk_runtime.flows.rules.rule import Found, Rule, Text, saved, scheduled, texts

_PARAMETER = re.compile(r"(\w+)\s*=")
_RISKY = ("fit", "deletemodel", "collect", "mcollect", "outputlookup", "map")


def _untested(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        if text.has("apply") and text.writes and "isnotnull(" not in text.after("apply"):
            yield Found(text.where, "no isnotnull() behind apply")


def _nulls(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in saved(app):
        if text.has("apply") and not text.has("makeresults"):
            head = text.before("apply")
            if not re.search(r"\bfillnull\b|isnotnull\(|match\(|coalesce\(", head):
                yield Found(text.where, "nothing fills or filters nulls in front of apply")


def _bare_keys(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        if text.has("fit", "apply"):
            for key in re.findall(r"(\w*key)\s*=\s*(?:substr\s*\(\s*)?(?:sha256|sha1|sha512)\s*\(", text.spl):
                yield Found(text.where, f"{key} begins with what the hash begins with")


def _md5(app: App, _: Sequence[App]) -> Iterator[Found]:
    yield from (Found(text.where, "md5()") for text in texts(app) if text.says(r"\bmd5\s*\("))


def _replaced(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in saved(app):
        if text.has("apply"):
            for name in re.findall(r"[\s,](label|version|score)\s*=(?!=)", text.before("apply")):
                yield Found(text.where, f"the field {name} in front of apply")


def _unversioned(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in saved(app):
        for name in re.findall(r"\binto\s+(?:app:|user:)?(\w+)", " ".join(text.of("fit"))):
            if not re.search(r"_v\d+$", name):
                yield Found(text.where, f"the model {name}")


def _feature_set(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        if any("feature_set=" in arguments for arguments in text.of("fit", "apply")):
            yield Found(text.where, "feature_set= is a parameter")


def _sampled(app: App, _: Sequence[App]) -> Iterator[Found]:
    yield from (Found(text.where, "sample") for text in texts(app) if text.has("sample"))


def _async(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in saved(app):
        if any("mode=async" in arguments for arguments in text.of("fit")) and text.commands[-1][0] != "stats":
            yield Found(text.where, "behind mode=async the input rows go on")


def _risky_view(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        if text.search.view and text.has(*_RISKY) and "$" not in text.search.text:
            yield Found(text.where, "runs when the view is opened")


def _capabilities(app: App, _: Sequence[App]) -> Iterator[Found]:
    needed = ("fit_mltkcontainer", "apply_mltkcontainer", "list_storage_passwords")
    given = {key for stanza in app.conf("authorize.conf") for key in stanza.settings if stanza.flag(key)}
    missing = [name for name in needed if name not in given]
    if missing and any(text.has("fit", "apply") for text in scheduled(app)):
        yield Found("default/authorize.conf", f"no role has {', '.join(missing)}")


def _foreign_confs(app: App, _: Sequence[App]) -> Iterator[Found]:
    for name in ("dsdl_container.conf", "container_connections.conf", "containers.conf"):
        yield from (Found(f"{layer}/{name}", "is read in its own app alone") for layer in _layers(app, name))


def _literal(app: App, _: Sequence[App]) -> Iterator[Found]:
    for search in app.searches:
        if match := re.search(r"\bfit\s+(MLTKContainer|AITKContainer)\b", search.text):
            yield Found(f"{search.file}:{search.line} {search.name}", f"fit {match[1]}")


def _unknown_macros(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for name in re.findall(r"(?<!`)`(?!`)([^`]+)`", re.sub(r"```.*?```", "", text.spl, flags=re.DOTALL)):
            yield Found(text.where, f"the macro {name} is not in macros.conf")


def _no_run_record(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        scores = text.has("apply") and "dltk_status" not in text.spl  # the container's own rows are no scores
        if scores and text.writes and not re.search(r"stats\s+count\b.*\bsum\(", text.spl, re.DOTALL):
            yield Found(text.where, "nothing counts rows in and rows scored")


def _no_health(app: App, _: Sequence[App]) -> Iterator[Found]:
    scoring = [text for text in scheduled(app) if text.has("apply") and text.writes]
    watched = any(text.says(r"scored\s*<\s*rows") and text.search.stanza.get("counttype") for text in scheduled(app))
    if scoring and not watched:
        yield Found(scoring[0].where, "no alert has scored<rows")


def _no_holdout(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in saved(app):
        for arguments in text.of("fit"):
            if "promote=better" in arguments and "holdout=" not in arguments:
                yield Found(text.where, "promote=better without holdout=")


def _no_version(app: App, _: Sequence[App]) -> Iterator[Found]:
    fits = [text for text in saved(app) if text.has("fit")]
    reads = any("model_version" in text.spl for text in texts(app))
    for text in fits:
        if reads and not any("with_version=" in arguments for arguments in text.of("fit")):
            yield Found(text.where, "model_version is read, with_version=t is not asked for")


def _unsnapped_training(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        earliest = text.search.stanza.get("dispatch.earliest_time")
        if text.has("fit") and not text.spl.lstrip().startswith("|") and "@" not in earliest:
            yield Found(text.where, f"dispatch.earliest_time = {earliest or 'missing'}")


def _raw_collected(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        if text.has("collect") and not _drops_raw(text):
            yield Found(text.where, "_raw is there when collect writes")


def _drops_raw(text: Text) -> bool:
    head = text.before("collect")
    begins_without = re.match(r"\s*\|\s*(inputlookup|makeresults|tstats|mstats|rest)\b", head)
    return bool(begins_without) or bool(re.search(r"\|\s*(stats|table)\b(?![^\[]*\])|fields\s+-\s+[^|]*_raw", head))


def _layers(app: App, name: str) -> list[str]:
    return [layer for layer in ("default", "local") if (app.folder / layer / name).exists()]


RULES = (
    Rule(
        101,
        "A failed apply is a successful search: its rows go on without a prediction, and here they are written.",
        "Keep rows with key and prediction only: where isnotnull(event_key) AND isnotnull(predicted_y).",
        _untested,
    ),
    Rule(
        102,
        "One null in one used feature, and the original columns of the whole chunk vanish behind apply.",
        "Fill or filter every feature first: fillnull value=0 …, or where isnotnull(…).",
        _nulls,
    ),
    Rule(
        103,
        "Every column passes through pandas: a hash such as 12e34… arrives as a number.",
        'Give the identifier a letter in front: "k".substr(sha256(…),1,32).',
        _bare_keys,
    ),
    Rule(
        104,
        "A result column with the name of an input column replaces it.",
        "Rename the field before apply; notebooks return label, version or score under these names.",
        _replaced,
    ),
    Rule(
        105,
        "Every fit writes the stub: other features or another algorithm under an old name break its scoring.",
        "Let the model's name carry the version of its features, as in dga_v1, and switch by a macro.",
        _unversioned,
    ),
    Rule(
        106,
        "A parameter stored at fit comes back with every apply: it is always equal to itself.",
        "Put the version of the features into the model's name, and filter rows by their own field.",
        _feature_set,
    ),
    Rule(
        107,
        "sample draws in the order of arrival, which a distributed search does not keep: no stable hold-out.",
        "Use holdout= of the container, or split by a hash: tonumber(substr(sha256(entity),1,6),16)%10.",
        _sampled,
    ),
    Rule(
        108,
        "mode=async returns the input rows, and says nothing about success.",
        "End the search with | stats count AS rows_sent, and watch the container's status.",
        _async,
    ),
    Rule(109, "md5 fails on FIPS hosts and in security reviews.", "Use sha256.", _md5),
    Rule(
        110,
        "A risky command in a view prompts whoever opens it.",
        "Let it wait for a token that a person sets, or make it a scheduled search.",
        _risky_view,
    ),
    Rule(
        111,
        "The AI Toolkit looks up capabilities of the owner by name, and reads the token with the owner's rights.",
        "Ship a role for the service account with all three, and reassign the searches to it.",
        _capabilities,
    ),
    Rule(
        112,
        "These files are read as files by the app they belong to, and are not replicated from another one.",
        "Leave them out; the README says where they go, also on a search head cluster.",
        _foreign_confs,
    ),
    Rule(
        301,
        "The command has two names, MLTKContainer and AITKContainer.",
        "Write a macro in its place, so that the customer chooses.",
        _literal,
    ),
    Rule(
        302,
        "A macro that the app does not define fails unless another app exports it.",
        "Define it in macros.conf.",
        _unknown_macros,
    ),
    Rule(
        401,
        "Nobody sees how many rows were left without a prediction.",
        "Write a run record: appendpipe [ stats count AS rows sum(good) AS scored … ].",
        _no_run_record,
    ),
    Rule(
        402,
        "Nothing tells anybody that a container is dead.",
        "Add an alert on run records: where scored<rows.",
        _no_health,
    ),
    Rule(
        403,
        "Without a hold-out the old and the new version are measured on different rows.",
        "Add holdout=0.2 beside promote=better.",
        _no_holdout,
    ),
    Rule(404, "Predictions cannot be told apart by version.", "Add with_version=t to the fit.", _no_version),
    Rule(
        405,
        "A training window that is not fixed cannot be repeated.",
        "Snap both ends: dispatch.earliest_time = -30d@d, dispatch.latest_time = @d.",
        _unsnapped_training,
    ),
    Rule(
        406,
        "collect writes the original text in place of the fields where _raw is present, and fields keeps _raw.",
        "Drop it: fields - _raw, or table, or stats before collect.",
        _raw_collected,
    ),
)
