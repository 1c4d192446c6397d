"""Names from the network: accepted names never leave their folder."""

from __future__ import annotations

import os
import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.errors import NameInvalid
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store.layout import load_name
from dltk_runtime.store.store import ModelStore
from tests.store.helpers import promoted

HOSTILE = [
    *("", ".", "..", "../../x", "/etc/passwd", "a/b", "a\\b", "a.b", "a b", "a-b", "1a", "a\0", "\0", "a\n", "a\r\n"),
    *("ä", "a٣", "a²", "\u212a", "\ud800", "a" * 129, "a" * 10_000, "a\u200b", "%2e%2e", "~"),
]


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=2)


@given(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,127}", fullmatch=True), st.text())
def test_no_name_that_is_accepted_leaves_the_folder(model: str, algorithm: str) -> None:
    root = Path("/models")
    try:
        name = ModelName(algorithm, model)
    except NameInvalid:
        return
    saved = Path(os.path.normpath(root / load_name(VersionId(name, 1))))
    assert saved.parts[:5] == (*root.parts, "versions", algorithm, model)
    assert re.fullmatch(r"[A-Za-z0-9_]+", name.legacy)


@given(st.text(alphabet=string.printable + "äٟ\0/..", max_size=200))
def test_only_ascii_identifiers_are_names(text: str) -> None:
    good = text.isascii() and text.isidentifier() and len(text) <= 128
    if good and not text.startswith("__"):
        assert ModelName(text, text).legacy == f"{text}_{text}"
    else:
        with pytest.raises(NameInvalid):
            ModelName(text, "default")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_is_refused_whatever_it_names(text: str, store: ModelStore) -> None:
    with pytest.raises(NameInvalid):
        ModelName(text, "default")
    with pytest.raises(NameInvalid) as caught:
        ModelName("umap", text)
    assert len(caught.value.sentence) < 500
    with pytest.raises(NameInvalid):
        store.algorithm_of(text, ["umap"])


@pytest.mark.parametrize("text", ["__init__", "__main__", "__x"])
def test_an_algorithm_does_not_begin_with_two_underscores(text: str) -> None:
    with pytest.raises(NameInvalid):
        ModelName(text, "default")


@pytest.mark.parametrize("text", ["os", "data", "versions", "current", "__init__", "_"])
def test_a_model_may_have_the_name_of_anything(text: str, store: ModelStore) -> None:
    version = promoted(store, ModelName("umap", text))
    assert store.current(ModelName("umap", text)) == version
    assert store.models() == [ModelName("umap", text)]
