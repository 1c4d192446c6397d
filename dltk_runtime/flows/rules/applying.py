"""Chapter 1: what surprises people around fit and apply."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from dltk_runtime.flows import rights
from dltk_runtime.flows.app import App
from dltk_runtime.flows.dataflow import SearchFlow, dataflow
from dltk_runtime.flows.dataflow.shapes import Shape
from dltk_runtime.flows.rules.rule import Found, Recipe, Rule, Text, recipes, saved, scheduled, texts
from dltk_runtime.names import STATUS

_FILLED = re.compile(r"\bfillnull\b|isnotnull\(|match\(|coalesce\(")
_RISKY = ("fit", "deletemodel", "collect", "mcollect", "outputlookup", "map")


def _untested(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Predictions that are written though the model may not have answered, or without a key."""
    flow = dataflow(app, apps)
    for search in flow.searches:
        models = {apply.model for apply in search.notes.applies} - {STATUS}
        if not models or not search.notes.writes:
            continue
        columns = {use.name for use in search.notes.uses if use.modelled}
        columns |= {f"predicted_{fit.target}" for _, fit in flow.fits() if fit.model in models}
        shapes = [shape for write in search.notes.writes for shape in write.shapes]
        predictions = [shape for shape in shapes if columns & shape.fields]
        if not predictions and not any(columns & shape.filled for shape in shapes):
            yield Found(search.where, "no isnotnull() behind apply")
        for shape in predictions:
            answered = columns & shape.fields
            if not columns & shape.filled:
                yield Found(search.where, f"nothing removes rows without {' or '.join(sorted(answered))}")
            elif "event_key" in shape.fields - shape.filled:
                yield Found(search.where, "nothing removes rows without event_key")


def _nulls(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Features that may be null in front of fit or apply, by the model of the app."""
    flow = dataflow(app, apps)
    features = {fit.model: fit.features for _, fit in flow.fits() if fit.model != STATUS and "algo" in fit.options}
    for search, fit in flow.fits():
        if fit.model in features and "algo" in fit.options:
            yield from _null_features(search, fit.shape, fit.features, "fit")
    for search, apply in flow.applies():
        yield from _null_features(search, apply.shape, features.get(apply.model, ()), "apply")
        elsewhere = apply.model not in {STATUS, *(fit.model for _, fit in flow.fits())}
        if elsewhere and not _FILLED.search(_head(search)):
            yield Found(search.where, "nothing fills or filters nulls in front of apply")


def _null_features(search: SearchFlow, shape: Shape, features: Sequence[str], command: str) -> Iterator[Found]:
    if nulls := sorted(name for name in features if name not in shape.filled and "*" not in name):
        yield Found(search.where, f"nothing fills or filters nulls in front of {command}: {', '.join(nulls)}")


def _head(search: SearchFlow) -> str:
    names = [f"{command.name} {command.arguments}" for command in search.commands]
    at = next((number for number, command in enumerate(search.commands) if command.name == "apply"), len(names))
    return " | ".join(names[:at])


def _bare_keys(app: App, _: Sequence[App]) -> Iterator[Found]:
    features = {name for recipe in recipes(app) for name in recipe.features}
    for text in texts(app):
        if text.has("fit", "apply"):
            for key in re.findall(r"(\w*key)\s*=\s*(?:substr\s*\(\s*)?(?:sha256|sha1|sha512)\s*\(", text.spl):
                yield Found(text.where, f"{key} begins with what the hash begins with")
        if _bare_entity(text, features):
            yield Found(text.where, "entity goes through apply as it is")


def _bare_entity(text: Text, features: set[str]) -> bool:
    """Whether what identifies the rows, and is no feature itself, goes out and comes back."""
    if "entity" in features or not (text.has("apply") and text.writes):
        return False
    marked = re.search(r'\bentity\s*=\s*"[A-Za-z]', text.before("apply"))
    return not marked and re.search(r"\bentity\b", text.after("apply")) is not None


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
            if name != STATUS and not re.search(r"_v\d+$", name):
                yield Found(text.where, f"the model {name}")


def _feature_set(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        if any("feature_set=" in arguments for arguments in text.of("fit", "apply")):
            yield Found(text.where, "feature_set= is a parameter")


def _sampled(app: App, _: Sequence[App]) -> Iterator[Found]:
    yield from (Found(text.where, "sample") for text in texts(app) if text.has("sample"))


def _async(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in saved(app):
        names = [name for name, _ in text.commands]
        behind = names[len(names) - names[::-1].index("fit") :] if "fit" in names else []
        if any("mode=async" in arguments for arguments in text.of("fit")) and "stats" not in behind:
            yield Found(text.where, "behind mode=async the input rows go on")


def _risky_view(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        if text.search.view and text.has(*_RISKY) and "$" not in text.search.text:
            yield Found(text.where, "runs when the view is opened")


def _capabilities(app: App, apps: Sequence[App]) -> Iterator[Found]:
    given = {key for stanza in app.conf("authorize.conf") for key in stanza.settings if stanza.flag(key)}
    searches = [search for search in dataflow(app, apps).searches if search.search.scheduled]
    needed = set().union(*(rights.toolkit_capabilities(search) for search in searches))
    if missing := sorted(needed - given):
        yield Found("default/authorize.conf", f"no role has {', '.join(missing)}")


def _unsaved_stub(app: App, _: Sequence[App]) -> Iterator[Found]:
    roles = {stanza.name.removeprefix("role_") for stanza in rights.fitting_roles(app)}
    if any(text.has("fit") for text in scheduled(app)) and roles:
        for what in ("", "lookups"):
            if not roles & rights.writers(app, what):
                yield Found("metadata/default.meta", f"[{what}] write names none of {', '.join(sorted(roles))}")


def _forbidden_indexes(app: App, _: Sequence[App]) -> Iterator[Found]:
    runners = [stanza for stanza in app.conf("authorize.conf") if stanza.flag("schedule_search")]
    allowed = {name for stanza in runners for name in rights.searchable(stanza)}
    others = "*" in allowed or any(stanza.get("importRoles") for stanza in runners)
    for text in scheduled(app) if runners and not others else ():
        named = {name for name in rights.indexes_read(text.stages) if "*" not in name}
        for name in sorted(name for name in named if not any(fnmatchcase(name, each) for each in allowed)):
            yield Found(text.where, f"reads the index {name}; allowed are {', '.join(sorted(allowed)) or 'none'}")


def _never_fitted(app: App, apps: Sequence[App]) -> Iterator[Found]:
    flow = dataflow(app, apps)
    fitted = {fit.model for _, fit in flow.fits()} - {STATUS, ""}
    for search, apply in flow.applies():
        if fitted and apply.model not in fitted | {STATUS}:
            yield Found(search.where, f"applies {apply.model}; fitted are {', '.join(sorted(fitted))}")


def _foreign_confs(app: App, _: Sequence[App]) -> Iterator[Found]:
    for name in ("dsdl_container.conf", "container_connections.conf", "containers.conf"):
        yield from (Found(f"{layer}/{name}", "is read in its own app alone") for layer in _layers(app, name))


def _two_recipes(app: App, _: Sequence[App]) -> Iterator[Found]:
    first: dict[str, Recipe] = {}
    for recipe in recipes(app):
        known = first.setdefault(recipe.model, recipe)
        if (recipe.algorithm, recipe.features) != (known.algorithm, known.features):
            yield Found(recipe.text.where, f"fits {recipe.model} otherwise than {known.text.search.name}")


def _unwatched(app: App, _: Sequence[App]) -> Iterator[Found]:
    asks = any(STATUS in arguments for text in texts(app) for arguments in text.of("apply"))
    for text in saved(app):
        if not asks and any("mode=async" in arguments for arguments in text.of("fit")):
            yield Found(text.where, "nothing reads dltk_status")


def _wild_features(app: App, _: Sequence[App]) -> Iterator[Found]:
    for recipe in recipes(app):
        yield from (Found(recipe.text.where, f"from {name}") for name in recipe.features if "*" in name)


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
        113,
        "The stub holds the algorithm and the features of the last fit: two searches that differ break each other.",
        "Give them models of their own, or the same algorithm and features.",
        _two_recipes,
    ),
    Rule(
        114,
        "mode=async says nothing about success, and nothing here asks the container what became of the fit.",
        "Read its status: | makeresults | apply app:dltk_status, in a view or a scheduled search.",
        _unwatched,
    ),
    Rule(
        115,
        "A wildcard takes whatever columns the rows of one run have: another run trains another model of that name.",
        "Name each feature.",
        _wild_features,
    ),
    Rule(
        116,
        "The role of the account that runs the searches may not search this index: it finds nothing, and says nothing.",
        "Name every index of the app in its srchIndexesAllowed, separated by semicolons.",
        _forbidden_indexes,
    ),
    Rule(
        117,
        "fit … into app: writes a lookup file into the app, the stub; without the right to, there is nothing to apply.",
        "Let the role write in the stanzas [] and [lookups] of metadata/default.meta.",
        _unsaved_stub,
    ),
    Rule(
        118,
        "A model that no search of the app fits.",
        "Let fit and apply name the model by the same macro.",
        _never_fitted,
    ),
)
