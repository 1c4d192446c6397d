"""Names from the network: accepted names never leave their folder."""

from __future__ import annotations

import os
import re
import string
import unicodedata
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
    *("", ".", "..", "../../x", "/etc/passwd", "a/b", "a\\b", "a.b", "a\0", "\0", "a\n", "a\r\n"),
    *("a٣", "a²", "\u212a", "\ud800", "a" * 129, "a" * 10_000, "a\u200b", "%2e%2e", "~"),
    *(" ", "-a", " a", "a ", "a\t", "a\xa0b", "a~20b", "\u0308a", "a\u3164", "a\ufe0f", "a\u202eb"),
    *("ä" * 40, "a\u2215b"),
]
OF_NOTEBOOKS = {  # names that an algorithm may have and a model may not, with their forms on disk
    "a b": "a~20b",
    "a-b": "a-b",
    "1a": "1a",
    "ä": "~c3~a4",
    "größe 2-neu": "gr~c3~b6~c3~9fe~202-neu",
    "时间序列": "~e6~97~b6~e9~97~b4~e5~ba~8f~e5~88~97",
    "हिन्दी": "~e0~a4~b9~e0~a4~bf~e0~a4~a8~e0~a5~8d~e0~a4~a6~e0~a5~80",
}


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
    assert saved.parts[:5] == (*root.parts, "versions", name.folder, model)
    assert re.fullmatch(r"[A-Za-z0-9_~-]+", name.file)
    assert not set(name.legacy) & set("/\\.\0\n")
    assert ModelName.of_folder(name.folder, model) == name


@given(st.text(alphabet=string.printable + "äٟ\0/..", max_size=200))
def test_only_ascii_identifiers_are_names_of_models(text: str) -> None:
    if text.isascii() and text.isidentifier() and len(text) <= 128:
        assert ModelName("umap", text).legacy == f"umap_{text}"
    else:
        with pytest.raises(NameInvalid):
            ModelName("umap", text)


@pytest.mark.parametrize(("text", "folder"), OF_NOTEBOOKS.items())
def test_the_name_of_a_notebook_is_an_algorithms_with_a_safe_form_on_disk(
    text: str, folder: str, store: ModelStore
) -> None:
    name = ModelName(text, "m")
    assert (name.folder, name.legacy) == (folder, f"{text}_m")
    assert load_name(VersionId(name, 3)) == f"versions/{folder}/m/3/{folder}_m"
    assert load_name(VersionId(name, 0)) == f"{text}_m"  # the files of an old volume have DSDL's own names
    assert promoted(store, name).name == name
    assert store.models() == [name]
    assert store.algorithm_of("m", []) == text
    with pytest.raises(NameInvalid):
        ModelName("umap", text)


@pytest.mark.parametrize("decomposed", ["a\u0308", "gro\u0308\xdfe"])
def test_both_forms_of_a_letter_are_one_name(decomposed: str) -> None:
    assert ModelName(decomposed, "m") == ModelName(unicodedata.normalize("NFC", decomposed), "m")


@pytest.mark.parametrize("folder", ["lost+found", "a b", "a~", "a~2", "a~41", "a~2F", "~ff", "a~2fb", "a~00", "~2e~2e"])
def test_a_folder_that_no_algorithm_has_is_none(folder: str) -> None:
    with pytest.raises(NameInvalid):
        ModelName.of_folder(folder, "m")


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
    with pytest.raises(NameInvalid, match=r"; this one starts with two underscores, as Python's own do\.$"):
        ModelName(text, "default")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a ", "; this one ends with a blank."),
        ("a\ufe0f", "; this one has a character that no font shows."),
        ("ä" * 40, "; this one takes more than 200 bytes on disk."),
        ("a.b", "128 characters at most."),
        ("a" * 129, "128 characters at most."),
    ],
)
def test_a_refusal_says_what_the_rule_does_not(text: str, fault: str) -> None:
    with pytest.raises(NameInvalid) as caught:
        ModelName(text, "default")
    assert caught.value.sentence.endswith(fault)


@pytest.mark.parametrize("text", ["os", "data", "versions", "current", "__init__", "_"])
def test_a_model_may_have_the_name_of_anything(text: str, store: ModelStore) -> None:
    version = promoted(store, ModelName("umap", text))
    assert store.current(ModelName("umap", text)) == version
    assert store.models() == [ModelName("umap", text)]
