"""Stub model files: __mlspl_<name>.mlmodel."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.stub import Stub, make_stub
from dltk_runtime.emulator.mltk.stubs import Stubs

STUB = Stub("m", "MLTKContainer", {"params": {"algo": "a", "text": '"é, \n"'}}, ("x", "y y"), "t")


def test_a_stub_comes_back_as_it_was_written(tmp_path: Path) -> None:
    stubs = Stubs(tmp_path / "lookups")
    stubs.write(STUB)
    assert stubs.read("m") == STUB
    assert stubs.names() == ["m"]


def test_the_file_is_a_csv_with_splunks_header_and_one_row(tmp_path: Path) -> None:
    Stubs(tmp_path).write(STUB)
    with (tmp_path / "__mlspl_m.mlmodel").open(newline="") as file:
        header, row = csv.reader(file)
    assert header == ["algo", "model", "options"]
    assert row[0] == "MLTKContainer"


def test_a_stub_of_a_hundred_thousand_fields_can_be_read(tmp_path: Path) -> None:
    stub = Stub("m", "MLTKContainer", {}, tuple(f"feature_{number}" for number in range(100_000)), None)
    Stubs(tmp_path).write(stub)
    assert Stubs(tmp_path).read("m") == stub


def test_a_second_fit_replaces_the_stub_and_leaves_no_other_file(tmp_path: Path) -> None:
    stubs = Stubs(tmp_path)
    stubs.write(STUB)
    stubs.write(Stub("m", "MLTKContainer", {}, (), None))
    assert stubs.read("m").target is None
    assert [path.name for path in tmp_path.iterdir()] == ["__mlspl_m.mlmodel"]


def test_a_model_that_is_not_there_is_named_as_splunk_names_it(tmp_path: Path) -> None:
    with pytest.raises(SearchInvalid, match=r'^model "m" does not exist\.$'):
        Stubs(tmp_path).read("m")
    with pytest.raises(SearchInvalid, match=r'^model "m" does not exist\.$'):
        Stubs(tmp_path).delete("m")


@pytest.mark.parametrize("content", ["", "algo\nx\n", "algo,model,options\n", "algo,model,options\na,{},{\n", "\xff,"])
def test_a_file_that_is_no_stub_is_named_with_its_path(tmp_path: Path, content: str) -> None:
    (tmp_path / "__mlspl_m.mlmodel").write_bytes(content.encode("latin-1"))
    with pytest.raises(SearchInvalid, match=r'model "m" cannot be read from .*__mlspl_m\.mlmodel'):
        Stubs(tmp_path).read("m")


def test_a_session_key_is_not_kept() -> None:
    options = {"params": {}, "session_key": "secret", "search_info": {"session_key": "secret"}}
    stub = make_stub("m", "MLTKContainer", {"options": options, "feature_variables": ["x"]})
    assert stub == Stub("m", "MLTKContainer", {"params": {}}, ("x",), None)
