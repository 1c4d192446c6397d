"""What to do about a collection that a search no longer reads to its end: it depends on who writes it."""

from __future__ import annotations

from collections.abc import Mapping

PREFIX = "dltk_"
APP_PREFIX = "dltk_flow_"
# By the last part of the collection's name. `prune` and `prune-queue` reach the first two alone.
_ADVICE: Mapping[str, str] = {
    "queue": "Remove what was not seen for long: dltk label prune-queue {flow} --days 30. "
    "Predictions stay in the index, labels in theirs.",
    "labels": "Remove old ones, which a file keeps: run dltk_{flow}_archive, then "
    "dltk label prune {flow} --days 365 --archive old-labels.csv.",
    "second": "No command prunes second verdicts, and the index keeps each of them: DELETE {rest} with "
    '?query={{"labelled_at": {{"$lt": EPOCH}}}}.',
    "points": "No command prunes points; each is a row that people want learned, whatever its age. Keep a copy "
    "(| inputlookup {name} | outputlookup copy.csv), then remove those set aside: "
    'DELETE {rest} with ?query={{"weight": 0}}.',
    "extras": "No command prunes extra features: one record for each entity, read by training and scoring. Keep a copy "
    "(| inputlookup {name} | outputlookup copy.csv), then remove entities that no event names any more: "
    "DELETE {rest}/KEY.",
    "sensitivity": "No command prunes sensitivities: one record for each entity that people set, the default holds for "
    "all others. Remove those of entities that are gone: DELETE {rest}/KEY.",
    "params": "It holds one record for each parameter: look for what else writes it.",
    "fits": "It holds one record, of the last training: look for what else writes it.",
}
_OTHER = "No command prunes it: look at what writes it, and remove what is no longer read: DELETE {rest} with ?query=…."


def advice(app: str, name: str) -> str:
    """Return what to do about the collection `name` of `app`."""
    flow = app.removeprefix(APP_PREFIX)
    own = app.startswith(APP_PREFIX) and name.startswith(f"{PREFIX}{flow}_")
    text = _ADVICE.get(name.removeprefix(f"{PREFIX}{flow}_"), _OTHER) if own else _OTHER
    rest = f"/servicesNS/nobody/{app}/storage/collections/data/{name}"
    return text.format(flow=flow, name=name, rest=rest)
