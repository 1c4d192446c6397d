"""``dltk models upload``: what the stand-in of the AI Toolkit gets, and what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from dltk_runtime import cli
from dltk_runtime.errors import DltkError
from dltk_runtime.onnx import FEATURES, TARGET
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.errors import RightMissing
from dltk_runtime.splunk.model_upload import ModelUpload, UploadInvalid
from dltk_runtime.tls import certificate
from tests.splunkd import Splunkd
from tests.splunkd.toolkit import Model

MOST = 30 * 1024**2


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two fields with the metadata that the export writes."""
    import skl2onnx  # here: with scikit-learn it costs seconds in each process that collects tests
    from sklearn.linear_model import LogisticRegression

    made = skl2onnx.to_onnx(LogisticRegression().fit(np.eye(2), ["a", "b"]), np.eye(2, dtype=np.float32))
    onnx.helper.set_model_props(made, {FEATURES: '["size", "größe 2"]', TARGET: "label"})
    path = tmp_path_factory.mktemp("onnx") / "leaves.onnx"
    path.write_bytes(made.SerializeToString())
    return path


@pytest.fixture
def splunk(tmp_path: Path) -> Iterator[Splunkd]:
    pair = certificate(Settings(home=tmp_path / "tls", host="127.0.0.1"))
    with Splunkd(certificate=pair, app="Splunk_ML_Toolkit") as splunk:
        yield splunk


def upload(splunk: Splunkd | None, *arguments: str | Path) -> str:
    """What the command prints."""
    words = ["models", "upload", *map(str, arguments)]
    env = splunk.variables if splunk else {"splunk_access_enabled": "0"}
    done = CliRunner().invoke(cli.dltk, words, env=env, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.process
def test_the_toolkit_gets_the_file_and_the_names_of_its_fields(splunk: Splunkd, file: Path) -> None:
    said = upload(splunk, file)
    assert splunk.toolkit.models == {"leaves": Model(file.read_bytes(), ["size", "größe 2"], ["label"])}
    assert "ours: uploaded" in said
    assert said.index("upload_onnx_model_file") < said.index("Splunk took it")
    assert splunk.token not in said
    upload(splunk, file, "--as", "trees_2")
    assert set(splunk.toolkit.models) == {"leaves", "trees_2"}


@pytest.mark.process
def test_who_lacks_a_capability_is_told_so_and_nothing_is_sent_twice(splunk: Splunkd, file: Path) -> None:
    splunk.toolkit.capabilities.discard("upload_onnx_model_file")
    with pytest.raises(RightMissing, match="upload_onnx_model_file"):
        upload(splunk, file)
    assert [path for method, path in splunk.requests if method == "POST"] == ["mltk/upload_model"]
    splunk.toolkit.capabilities.add("upload_onnx_model_file")
    splunk.faults.busy = 1
    with pytest.raises(DltkError, match="busy"):
        upload(splunk, file)
    assert not splunk.toolkit.models


def test_without_sending_it_says_what_would_be_sent(file: Path) -> None:
    said = upload(None, file, "--dry-run")
    size = ModelUpload(file.read_bytes(), "leaves", ["a"], []).encoded_bytes
    assert f"{size:,} bytes as base64, of 31,457,280 (max_model_size_mb)" in said
    assert "features size,größe 2; target label" in said


@pytest.mark.parametrize(
    ("name", "features", "targets", "text"),
    [
        ("2x", ["a"], [], "'2x' is none for the AI Toolkit"),
        ("größe", ["a"], [], "is none for the AI Toolkit"),
        ("m", [], [], "does not say its features"),
        ("m", ["a,b"], [], "'a,b' cannot stand in a list"),
        ("m", ["a"], ["t "], "'t ' cannot stand in a list"),
    ],
)
def test_what_the_interface_cannot_take_is_refused_by_name(
    name: str, features: list[str], targets: list[str], text: str
) -> None:
    with pytest.raises(UploadInvalid) as refused:
        ModelUpload(b"x", name, features, targets).check(MOST)
    assert text in refused.value.sentence


def test_the_bound_is_that_of_base64() -> None:
    largest = MOST // 4 * 3
    ModelUpload(bytes(largest), "m", ["a"], []).check(MOST)
    with pytest.raises(UploadInvalid, match=r"31,457,284 bytes, and the AI Toolkit takes 31,457,280 .*--max-mb"):
        ModelUpload(bytes(largest + 1), "m", ["a"], []).check(MOST)
