"""The AI Toolkit's whole run against a container that it started: on Docker over HTTP, on Kubernetes over TLS."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.aitk import codec, starts
from tests.aitk.codec import ToolkitError
from tests.aitk.starts import Container
from tests.aitk.toolkit import ACTIVE, APP, CHUNK_ROWS, WAITING, Toolkit
from tests.conftest import write_notebook
from tests.support.service import ROOT

pytestmark = pytest.mark.process

TOKEN = "made-up-token-of-all-containers"
SESSION = "made-up-session-key"
FRAME = pd.DataFrame({"a": [1, 2, 3], "b": [3, 4, 5], "host": ["x", "y", "z"]})
# Two result columns, so that the second shows whether names get a prefix.
APPLY = """
    def apply(model, df, param):
        values = df[param["feature_variables"]].sum(axis=1)
        return pd.DataFrame({"score": values, "large": (values > 6).astype(int)})
"""


@dataclass
class Started:
    """A started container, and the toolkit that calls it."""

    container: Container
    toolkit: Toolkit
    cafile: Path | None


@pytest.fixture(scope="module", params=["docker", "kubernetes"])
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """On Docker ``[__dev__]`` in DEV, plain, with tracing; on Kubernetes one for the model `sums`, over TLS."""
    root = tmp_path_factory.mktemp(request.param)
    srv, app = root / "srv", root / "Splunk_ML_Toolkit"
    write_notebook(srv / "notebooks", "adds", apply=APPLY)
    starts.volumes(srv)
    docker = request.param == "docker"
    variables = (
        starts.variables(TOKEN, "DEV", **starts.tracing_variables())
        if docker
        else starts.variables(TOKEN, "PROD", https="true", **starts.access_variables())
    )
    with starts.running(srv, variables) as container:
        (app / "local").mkdir(parents=True)
        example = (ROOT / "deploy" / "splunk" / "container_connections.conf").read_text(encoding="utf-8")
        (app / "local" / "container_connections.conf").write_text(example.replace("[docker]", f"[{request.param}]"))
        name, mode = ("__dev__", "DEV") if docker else ("sums", "PROD")
        text = starts.stanza(name, container, request.param, mode)
        (app / "local" / "dsdl_container.conf").write_text(text)
        cafile = None if docker else srv / "tls" / "server.crt"
        yield Started(container, Toolkit(app, {SESSION: TOKEN}, SESSION), cafile)
        assert container.stop() == 0
    for backup in ("app", "notebooks"):
        assert (srv / "backup" / backup / "old.ipynb").read_text() == "a backup"
        assert [path.name for path in (srv / "backup" / backup).iterdir()] == ["old.ipynb"]


def test_the_status_page_shows_it_as_active(started: Started) -> None:
    toolkit, cafile = started.toolkit, started.cafile
    assert toolkit.status("sums", cafile=cafile) == ACTIVE
    assert toolkit.status("sums", verify=False) == ACTIVE
    # A Kubernetes start asks once without the token; the status page then asks with it.
    assert toolkit.status("sums", token=False, cafile=cafile) == WAITING
    if cafile:  # a self-signed certificate that nobody told the toolkit of
        assert toolkit.status("sums") == WAITING


def test_a_model_is_fitted_and_applied_with_the_columns_of_this_client(started: Started) -> None:
    toolkit = started.toolkit
    fitted = toolkit.fit(FRAME, ["a", "b"], model="sums", algo="adds")
    assert list(fitted.columns) == ["a", "b", "host", "predicted_score", "predicted_large"]
    # After decoding the stub has a target in any case, so that only the first column is renamed.
    assert list(toolkit.apply(FRAME, "sums").columns) == ["a", "b", "host", "predicted_None", "large"]
    named = toolkit.apply(FRAME, "sums", output_name="found")
    assert list(named.columns) == ["a", "b", "host", "found", "large"]
    assert named["found"].tolist() == [4, 6, 8]


def test_with_a_target_fit_and_apply_name_their_columns_alike(started: Started) -> None:
    toolkit = started.toolkit
    expected = ["a", "b", "host", "predicted_b", "large"]
    assert list(toolkit.fit(FRAME, ["a"], "b", model="sums", algo="adds").columns) == expected
    assert list(toolkit.apply(FRAME, "sums").columns) == expected


def test_the_status_of_the_container_has_the_same_columns_after_fit_and_apply(started: Started) -> None:
    toolkit, frame = started.toolkit, pd.DataFrame({"_time": [1.0], "kind": ["status"]})
    fitted = toolkit.fit(frame, ["_time"], "kind", model="sums", algo="dltk_status")
    applied = toolkit.apply(frame, "sums")
    for rows in (fitted, applied):
        assert rows.columns[0] == "predicted_kind"
        assert rows["predicted_kind"][0] == "container"
        assert {"algorithm", "state", "message"} <= set(rows.columns)


def test_staging_goes_to_the_models_own_container_and_keeps_a_stub(started: Started) -> None:
    toolkit = started.toolkit
    toolkit.messages.clear()
    rows = toolkit.fit(FRAME, ["a", "b"], model="sums", algo="adds", mode="stage")
    assert rows.equals(FRAME)
    ((severity, text),) = toolkit.messages
    assert severity == "INFO"
    assert text.startswith("Model data staged successfully in ")
    toolkit.fit(FRAME, ["a", "b"], model="sums", algo="adds")
    toolkit.keep_stub("sums", dict(toolkit.sent[-2][1]["options"]), ["a", "b"])  # that of the staging
    assert toolkit.apply(FRAME, "sums", output_name="found")["found"].tolist() == [4, 6, 8]


def test_an_error_is_a_message_and_the_rows_go_on_with_a_stub(started: Started) -> None:
    toolkit = started.toolkit
    toolkit.messages.clear()
    assert toolkit.fit(FRAME, ["a"], model="sums", algo="nowhere").equals(FRAME)
    assert [severity for severity, _ in toolkit.messages] == ["ERROR"]
    assert toolkit.messages[0][1].startswith("/fit: ERROR: unable to load algo code from module")
    toolkit.fit(FRAME, ["a", "b"], model="sums", algo="adds")


def test_a_field_without_values_and_rows_with_a_null_are_not_sent(started: Started) -> None:
    toolkit = started.toolkit
    toolkit.fit(FRAME, ["a", "b"], model="sums", algo="adds")
    toolkit.messages.clear()
    one_null = FRAME.assign(b=[3, None, 5])
    assert toolkit.apply(one_null, "sums", output_name="found").columns.tolist() == ["found", "large"]
    empty = toolkit.apply(FRAME.assign(b=[None] * 3), "sums")
    warning = next(text for severity, text in toolkit.messages if severity == "WARN")
    assert warning == "Dropping field(s) without any value: b"
    assert "the request lacks the field 'b', which the model was fitted on" in toolkit.messages[-1][1]
    assert len(empty) == 3


def test_a_role_without_the_capability_trains_and_saves_no_stub(started: Started) -> None:
    poor = Toolkit(copied(started, "poor"), {SESSION: TOKEN}, SESSION, capabilities=frozenset())
    shutil.rmtree(poor.app / "lookups", ignore_errors=True)
    with pytest.raises(ToolkitError, match="it lacks upload_lookup_files"):
        poor.fit(FRAME, ["a"], model="sums", algo="adds")
    assert not (poor.app / "lookups").exists()
    assert poor.messages[-1][1].startswith("/fit done successfully")


@pytest.mark.parametrize("started", ["kubernetes"], indirect=True)
def test_a_second_replica_over_the_volume_answers_as_the_first(started: Started) -> None:
    toolkit = started.toolkit
    toolkit.fit(FRAME, ["a", "b"], model="sums", algo="adds")
    first = toolkit.apply(FRAME, "sums")
    assert first["predicted_None"].tolist() == [4, 6, 8]
    other = Toolkit(copied(started, "replica"), {SESSION: TOKEN}, SESSION)
    with starts.running(started.container.srv, started.container.variables, 1) as second:
        conf = other.app / "local" / "dsdl_container.conf"
        conf.write_text(conf.read_text().replace(started.container.url, second.url))
        assert other.apply(FRAME, "sums").equals(first)
        assert other.status("sums", verify=False) == ACTIVE


def test_a_large_apply_and_a_partial_fit_are_calls_of_fifty_thousand_rows(started: Started) -> None:
    toolkit = started.toolkit
    frame = pd.DataFrame({"a": range(CHUNK_ROWS + 1)})
    toolkit.sent.clear()
    toolkit.contexts.clear()
    fitted = toolkit.fit(frame, ["a"], model="sums", partial_fit=True, algo="adds")
    assert fitted["predicted_score"].tolist() == frame["a"].tolist()
    applied = toolkit.apply(frame, "sums", output_name="sum")
    assert applied["sum"].tolist() == frame["a"].tolist()
    assert [path for path, _ in toolkit.sent] == ["/fit", "/fit", "/apply", "/apply"]
    assert len(toolkit.contexts) == (4 if started.cafile else 0)


def test_the_summary_is_a_row_with_the_expected_name_and_our_own_beside_it(started: Started) -> None:
    row = started.toolkit.summary("sums")
    document = json.loads(row["summary"])
    assert (document["app"], document["runtime"], document["token"]) == (APP, "dltk-runtime", "valid")
    assert row["api_url_external"] == started.container.url


def test_the_connection_is_plain_or_checked_as_the_conf_files_say(started: Started) -> None:
    assert started.container.url.startswith("https://" if started.cafile else "http://127.0.0.1:")
    checking = Toolkit(copied(started, "checking"), {SESSION: TOKEN}, SESSION)
    conf = checking.app / "local" / "container_connections.conf"
    text = conf.read_text()
    text = text.replace("endpoint_cert_filename_or_path =", f"endpoint_cert_filename_or_path = {started.cafile or ''}")
    conf.write_text(text.replace("endpoint_cert_check_hostname = 0", "endpoint_cert_check_hostname = 1"))
    assert json.loads(checking.summary("sums")["summary"])["app"] == APP
    assert [context.check_hostname for context in checking.contexts] == ([True] if started.cafile else [])


def test_the_address_is_looked_up_at_each_call(started: Started) -> None:
    moved = Toolkit(copied(started, "moved"), {SESSION: TOKEN}, SESSION)
    moved.keep_stub("sums", {"model_name": "sums"}, ["a"])
    (moved.app / "local" / "dsdl_container.conf").write_text("[other]\n")
    with pytest.raises(ToolkitError, match=r"neither a stanza of its own nor \[__dev__\]"):
        moved.apply(FRAME, "sums")


def test_a_wrong_token_is_no_answer_to_read(started: Started) -> None:
    stranger = Toolkit(started.toolkit.app, {SESSION: "another token"}, SESSION)
    with pytest.raises(ToolkitError, match="HTTP 401"):
        stranger.fit(FRAME, ["a"], model="sums", algo="adds")
    assert stranger.status("sums", verify=False) == WAITING


def test_the_session_key_of_the_calls_is_nowhere_on_the_volume(started: Started) -> None:
    started.toolkit.fit(FRAME, ["a"], model="sums", algo="adds")
    assert started.toolkit.messages[-1][1].startswith("/fit done successfully")
    assert all(meta["options"]["session_key"] == SESSION for _, meta in started.toolkit.sent)
    for path in started.container.srv.rglob("*"):
        assert not path.is_file() or SESSION.encode() not in path.read_bytes(), path


def test_a_stub_of_dsdl_is_refused(started: Started) -> None:
    moved = Toolkit(copied(started, "stubs"), {SESSION: TOKEN}, SESSION)
    moved.keep_stub("sums", {}, [])
    stored = ROOT / "tests" / "data" / "stubs" / "__mlspl_text_scores.mlmodel"
    shutil.copy(stored, moved.app / "lookups" / "__mlspl_sums.mlmodel")
    with pytest.raises(codec.ToolkitError, match="may not be compatible"):
        moved.apply(FRAME, "sums")


def test_a_container_that_cannot_trace_says_so_and_serves(started: Started) -> None:
    log = started.container.log.read_text()
    events = [json.loads(line) for line in log.splitlines() if '"not traced"' in line]
    asked = started.container.variables["olly_enabled"] == "true"
    assert len(events) == asked
    assert all("OTEL" in event["advice"] or "splunk-opentelemetry" in event["advice"] for event in events)


def copied(started: Started, name: str) -> Path:
    """A copy of the toolkit's folder, for changes."""
    return Path(shutil.copytree(started.toolkit.app, started.toolkit.app.parent / name))
