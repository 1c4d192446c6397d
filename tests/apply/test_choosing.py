"""Which version `Choosing` takes for a request that names a field which the current one does not have."""

from __future__ import annotations

import pytest

from dltk_runtime.apply.choice import Choosing, FieldsUnknown
from dltk_runtime.call import Request
from dltk_runtime.paths import Paths
from dltk_runtime.payload import NO_ROWS
from dltk_runtime.store.store import Facts, ModelStore
from tests.store.helpers import NAME, commit


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    """The versions 1 to 3, all promoted, of the fields a, c, d; a, c; and a, b."""
    store = ModelStore.open(paths, keep=5)
    for names in ("acd", "ac", "ab"):
        store.promote(commit(store, facts=Facts(fields=list(names), targets=["y"], args=["y", *names])))
    return store


def asked(fields: str, args: str) -> Request:
    meta = {"options": {"args": list(args)}, "feature_variables": list(fields)}
    return Request.of(NO_ROWS, meta)


@pytest.mark.parametrize(
    ("fields", "args", "number"),
    [
        ("ac", "yac", 2),
        ("ad", "yacd", 1),
        ("ad", "yade", 1),  # the words of a fit that nobody promoted
        ("c", "yc", 2),
        ("a", "ya", 3),
        ("b", "yb", 3),
    ],
)
def test_the_version_promoted_last_that_has_all_fields_answers(
    store: ModelStore, fields: str, args: str, number: int
) -> None:
    serving, said = Choosing(store).choose(NAME, asked(fields, args), ())
    assert serving.version.number == number
    assert said.startswith(f"version {number} answered, not version 3, the current one" if number != 3 else "")
    assert bool(said) is (number != 3)


@pytest.mark.parametrize("fields", ["bc", "e"])
def test_fields_that_no_version_has_together_are_refused_by_name(store: ModelStore, fields: str) -> None:
    with pytest.raises(FieldsUnknown, match="no promoted version on those of the search"):
        Choosing(store).choose(NAME, asked(fields, f"y{fields}"), ())
