"""The stand-in's codec against the stored stub files, and the files that the emulator writes against the codec."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.emulator.mltk.grammar import parse_fit
from dltk_runtime.emulator.mltk.request import fit_meta
from dltk_runtime.emulator.mltk.stub import make_stub
from tests.aitk import codec

STORED = Path(__file__).parent.parent / "data" / "stubs"
TOOLKIT = (STORED / "constructed_toolkit_text_scores.mlmodel").read_text(encoding="utf-8")


def address(_: Mapping[str, Any]) -> str:
    return "http://127.0.0.1:5000"


def written(search: str) -> str:
    """The stub that the emulator writes for the arguments of a fit over the columns `label` and `text`."""
    command = parse_fit(search)
    return make_stub("m", command.algorithm, fit_meta(command, ["label", "text"])).to_csv()


def test_the_codec_writes_and_reads_the_stored_file() -> None:
    container = codec.decode(TOOLKIT, address)
    assert (container.feature_variables, container.target_variable) == (["text"], "label")
    assert codec.encode(container.options, ["text"], "label") == TOOLKIT


@pytest.mark.parametrize("target", ["label from", "from"])
def test_the_decoder_takes_what_the_emulator_writes(target: str) -> None:
    content = written(f"AITKContainer algo=text_scores {target} text into app:m")
    container = codec.decode(content, address)
    assert container.feature_variables == ["text"]
    assert container.target_variable == ("label" if target != "from" else None)
    assert container.address == address({})
    assert codec.encode(container.options, ["text"], container.target_variable) == content


def test_the_decoder_refuses_a_stub_of_dsdl_and_one_without_a_class() -> None:
    with pytest.raises(codec.ToolkitError, match="may not be compatible with this version of MLTK"):
        codec.decode(written("MLTKContainer algo=text_scores text into app:m"), address)
    old = codec.file_of("MLTKContainer", {"feature_variables": ["text"], "target_variable": None}, {})
    with pytest.raises(codec.ToolkitError, match="'dict' object has no attribute 'apply'"):
        codec.decode(old, address)


def test_variables_that_the_object_lacks_come_from_its_params() -> None:
    model = json.loads(json.dumps({"__mlspl_type": codec.CLASS, "options": {}, "params": {}}))
    model["params"] = {"feature_variables": ["a"], "target_variable": ["b"]}
    container = codec.decode(codec.file_of("AITKContainer", model, {}), address)
    assert (container.feature_variables, container.target_variable) == (["a"], "b")
