"""`dsdlsupport`: what DSDL's notebooks import is there, under its names."""

from __future__ import annotations

import base64
import importlib
import os
import string
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dltk_runtime
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.errors import (
    CertificateRefused,
    EventRefused,
    SearchFailed,
    SplunkUnreachable,
    TokenRefused,
)
from dltk_runtime.tls import certificate
from tests.splunkd import Splunkd

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def support(monkeypatch: pytest.MonkeyPatch, paths: Paths) -> SimpleNamespace:
    """The modules, as a worker with these paths imports them."""
    monkeypatch.syspath_prepend(Path(dltk_runtime.__file__).parent / "site")
    monkeypatch.setenv("DLTK_HOME", str(paths.home))
    monkeypatch.setenv("DLTK_NOTEBOOKS", str(paths.notebooks))
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = ("SplunkGenerateGraphicsObjects", "SplunkHEC", "SplunkSearch", "errors")
    return SimpleNamespace(**{name: importlib.import_module(f"dsdlsupport.{name}") for name in names})


class Drawing:
    """The least that can be kept as a picture."""

    def savefig(self, file: Any, **_: Any) -> None:
        file.write(PNG + b"drawn")


def keep(support: SimpleNamespace, plot: Any, key: str = "loss", **more: Any) -> dict[str, Any]:
    """The picture's description after `plot` was kept with an empty model."""
    model: dict[str, Any] = {}
    assert support.SplunkGenerateGraphicsObjects.SplunkGenerateGraphicsObjects(model, key, plot, **more) is model
    description: dict[str, Any] = model["graphics"][key]
    return description


def test_a_picture_is_a_file_for_dashboards_and_a_part_of_the_model(support: SimpleNamespace, paths: Paths) -> None:
    kept = keep(support, Drawing())
    assert kept == {
        "base64": base64.b64encode(PNG + b"drawn"),
        "container_local_path": str(paths.graphics / "loss.png"),
        "external_relative_path": "graphics/loss.png",
    }
    assert (paths.graphics / "loss.png").read_bytes() == PNG + b"drawn"


def test_the_models_text_shows_the_picture_as_dashboards_look_for_it(support: SimpleNamespace) -> None:
    assert "b'iVBORw0KGg" in str(keep(support, Drawing()))


@pytest.mark.parametrize("kind", ["figure", "axes", "pyplot"])
def test_matplotlibs_plots_can_be_kept(support: SimpleNamespace, kind: str) -> None:
    pyplot = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots()
    axes.plot([1, 2, 3])
    try:
        kept = keep(support, {"figure": figure, "axes": axes, "pyplot": pyplot}[kind])
    finally:
        pyplot.close(figure)
    assert base64.b64decode(kept["base64"]).startswith(PNG)


def test_what_has_a_figure_as_seaborns_plots_do_can_be_kept(support: SimpleNamespace) -> None:
    assert keep(support, SimpleNamespace(figure=Drawing()))["base64"]


def test_a_second_picture_leaves_the_first_and_the_same_key_replaces_it(support: SimpleNamespace) -> None:
    save = support.SplunkGenerateGraphicsObjects.SplunkGenerateGraphicsObjects
    model = {"net": 1}
    save(save(model, "loss", Drawing()), "roc", Drawing())
    first = model["graphics"]["loss"]
    save(model, "loss", Drawing())
    assert sorted(model["graphics"]) == ["loss", "roc"]
    assert model["net"] == 1
    assert model["graphics"]["loss"] is not first


def test_another_folder_is_made_where_it_is_asked_for(support: SimpleNamespace, tmp_path: Path) -> None:
    kept = keep(support, Drawing(), graphics_path=str(tmp_path / "a" / "b"))
    assert kept["container_local_path"] == str(tmp_path / "a" / "b" / "loss.png")
    assert Path(kept["container_local_path"]).exists()


def test_a_plot_that_cannot_be_drawn_leaves_the_picture_of_before(support: SimpleNamespace, paths: Paths) -> None:
    class Broken(Drawing):
        def savefig(self, file: Any, **_: Any) -> None:
            file.write(b"half")
            raise ValueError("no data")

    keep(support, Drawing())
    with pytest.raises(ValueError, match="no data"):
        keep(support, Broken())
    assert [path.read_bytes() for path in paths.graphics.iterdir()] == [PNG + b"drawn"]


@pytest.mark.parametrize("key", ["", "../x", "a/b", "/etc/x", ".hidden", "nul\0", "x" * 129, "äther", "a\n", "-x"])
def test_a_key_that_can_be_no_files_name_is_refused(support: SimpleNamespace, paths: Paths, key: str) -> None:
    with pytest.raises(support.errors.PictureInvalid, match="Invalid name of a picture"):
        keep(support, Drawing(), key=key)
    assert list(paths.graphics.iterdir()) == []


@given(key=st.text(alphabet=string.printable + "é\0", max_size=140))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_key_a_picture_lies_in_the_folder_or_nowhere(
    support: SimpleNamespace, paths: Paths, key: str
) -> None:
    before = set(paths.home.rglob("*"))
    try:
        kept = keep(support, Drawing(), key=key)
    except support.errors.PictureInvalid:
        assert set(paths.home.rglob("*")) == before
    else:
        assert Path(kept["container_local_path"]).resolve().parent == paths.graphics.resolve()
        assert Path(kept["container_local_path"]).is_file()


def test_what_is_no_plot_is_refused_by_its_type(support: SimpleNamespace) -> None:
    with pytest.raises(support.errors.PictureInvalid, match="A list is not a plot"):
        keep(support, [1, 2, 3])


def test_a_model_that_can_hold_no_picture_is_refused_with_the_way_out(support: SimpleNamespace) -> None:
    with pytest.raises(support.errors.PictureInvalid, match=r"NoneType and cannot store pictures.*\{\"net\": net\}"):
        support.SplunkGenerateGraphicsObjects.SplunkGenerateGraphicsObjects(None, "loss", Drawing())


def test_the_modules_are_imported_as_notebooks_do(support: SimpleNamespace) -> None:
    names: dict[str, Any] = {}
    exec("from dsdlsupport import SplunkGenerateGraphicsObjects, SplunkHEC, SplunkSearch", names)
    assert names["SplunkSearch"].SplunkSearch is support.SplunkSearch.SplunkSearch


# ------------------------------------------------------------ Splunk


VARIABLES = ("splunk_", "DLTK_SPLUNK")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no Splunk."""
    for name in [name for name in os.environ if name.startswith(VARIABLES)]:
        monkeypatch.delenv(name)


@pytest.fixture
def splunkd(tmp_path: Path, nowhere: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Splunkd]:
    """A Splunk with TLS that the environment names, as in JupyterLab."""
    pair = certificate(Settings(home=tmp_path / "tls", host="127.0.0.1"))
    with Splunkd(certificate=pair) as splunkd:
        for name, value in (splunkd.variables | {"DLTK_SPLUNK_PATIENCE": "1"}).items():
            monkeypatch.setenv(name, value)
        yield splunkd


def test_a_search_gives_rows_as_dicts_and_as_a_frame(support: SimpleNamespace, splunkd: Splunkd) -> None:
    search = support.SplunkSearch.SplunkSearch()
    rows = search.search("| makeresults count=3", earliest="-1h@h")
    assert [sorted(row) for row in rows] == [["_time"]] * 3
    assert all(isinstance(row["_time"], str) for row in rows)
    assert str(search.as_df()["_time"].dtype) == "datetime64[us, UTC]"
    assert "makeresults count=3" in search.search_logs()


def test_a_frame_without_a_search_runs_the_one_that_was_given(support: SimpleNamespace, splunkd: Splunkd) -> None:
    search = support.SplunkSearch.SplunkSearch(search="| makeresults count=7")
    assert len(search.as_df()) == 7
    assert len(search.as_df()) == len(search.events) == 7
    assert len(splunkd.searches.jobs) == 1
    with pytest.raises(support.errors.SupportError, match="no search has run yet"):
        support.SplunkSearch.SplunkSearch().search_logs()


def test_arguments_win_over_variables_and_errors_are_raised(
    support: SimpleNamespace, splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TokenRefused, match="expired"):
        support.SplunkSearch.SplunkSearch(token="other").search("| makeresults")
    with pytest.raises(SplunkUnreachable):
        support.SplunkSearch.SplunkSearch(port="1").as_df()
    with pytest.raises(SearchFailed, match="Unknown search command 'nope'"):
        support.SplunkSearch.SplunkSearch().search("| nope")
    with pytest.raises(TokenRefused, match="splunk_hec_token"):
        support.SplunkHEC.SplunkHEC(token="other").send({"event": "x"})
    monkeypatch.delenv("DLTK_SPLUNK_CAFILE")
    with pytest.raises(CertificateRefused):
        support.SplunkSearch.SplunkSearch().search("| makeresults")


def test_events_are_sent_one_or_many(support: SimpleNamespace, splunkd: Splunkd) -> None:
    hec = support.SplunkHEC.SplunkHEC()
    assert hec.send({"event": "one", "sourcetype": "s"}) == 1
    assert hec.send([{"event": "two"}, {"event": {"number": 3}}]) == 2
    assert hec.send_hello_world(2) == 2
    assert len(splunkd.storage.indexes["main"]) == 5
    with pytest.raises(EventRefused, match="key 'event'"):
        hec.send({"message": "no event"})


def test_the_form_runs_the_search_and_shows_what_went_wrong(support: SimpleNamespace, splunkd: Splunkd) -> None:
    form = importlib.import_module("dsdlsupport.search_form").form
    search = support.SplunkSearch.SplunkSearch(search="| makeresults count=2")
    query, times, output = form(search).children
    button = times.children[-1]
    assert query.value == "| makeresults count=2"
    button.click()
    assert len(search.events) == 2
    assert "2 rows" in output.outputs[-1]["text"]
    query.value = "| nope"
    button.click()
    assert [each["name"] for each in output.outputs] == ["stderr"]
    assert "Unknown search command" in output.outputs[0]["text"]
    assert not button.disabled


def test_a_search_without_a_splunk_says_which_variables_it_needs_and_what_to_do_instead(
    support: SimpleNamespace, nowhere: None
) -> None:
    search = support.SplunkSearch.SplunkSearch(host="splunk", port=8089, search="index=main")
    for use in (lambda: search.search("| makeresults"), search.as_df, search.search_logs):
        with pytest.raises(support.errors.SplunkMissing, match=r"splunk_access_host.*mode=stage"):
            use()


def test_an_event_collector_without_a_splunk_says_which_variables_it_needs_and_what_to_do_instead(
    support: SimpleNamespace, nowhere: None
) -> None:
    hec = support.SplunkHEC.SplunkHEC(token="secret")
    for use in (lambda: hec.send({"event": "x"}), lambda: hec.send_hello_world(3)):
        with pytest.raises(support.errors.SplunkMissing, match=r"splunk_hec_url.*collect") as failed:
            use()
        assert "secret" not in str(failed.value)


def test_what_is_not_enabled_is_not_used(
    support: SimpleNamespace, splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("splunk_access_enabled", "0")
    monkeypatch.setenv("splunk_hec_enabled", "0")
    with pytest.raises(support.errors.SplunkMissing):
        support.SplunkSearch.SplunkSearch().as_df()
    with pytest.raises(support.errors.SplunkMissing):
        support.SplunkHEC.SplunkHEC().send_hello_world()
