"""mode=register lets Splunk write its entry for a model that the container has, and trains nothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from dltk_runtime import cli
from dltk_runtime.emulator.mltk.commands import Mltk
from dltk_runtime.emulator.mltk.grammar import parse_apply, parse_fit
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.settings import ClientSettings
from tests.support.service import Service, meta_for

DATA = "a,b\n1,2\n3,4\n"

pytestmark = pytest.mark.server(notebooks={"healthy": {}}, fits=[("healthy", DATA, "m", "b")], DLTK_SPARES="0")


def dltk(*arguments: str) -> str:
    result = CliRunner().invoke(cli.dltk, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_search_head_that_lost_its_entry_gets_one_and_applies_the_version(service: Service, tmp_path: Path) -> None:
    before, jobs = service.store_folders("healthy"), len(service.jobs())
    mltk = Mltk(ClientSettings(url=service.url, token=service.token), Stubs(tmp_path))
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})
    command = parse_fit("AITKContainer algo=healthy mode=register b from a into app:m")
    result = mltk.fit(frame, command)
    (message,) = result.messages
    assert str(message) == (
        "INFO /fit registered: Splunk's entry for model 'm' names the algorithm 'healthy', and nothing was trained. "
        "Its applies use version 1"
    )
    assert result.frame.equals(frame), "the rows pass unchanged"
    assert (service.store_folders("healthy"), len(service.jobs())) == (before, jobs)
    applied = mltk.apply(frame, parse_apply("m"), mltk.stubs.read("m"))
    assert applied.frame["predicted_b"].tolist() == [2, 2, 2], "the rows of the fit"


def test_the_search_that_models_stub_prints_makes_the_entry_and_trains_nothing(
    service: Service, tmp_path: Path
) -> None:
    """For a second search head cluster, and for one that has lost its entry."""
    before, jobs = service.store_folders("healthy"), len(service.jobs())
    address = ["--url", service.url, "--token", service.token]
    printed = dltk("models", "stub", "healthy", "m", "--spl", "--flavour", "aitk", *address)
    found = dltk("search", printed, "--lookups", str(tmp_path), *address)
    assert {"a", "b"} <= set(found.split()), "the rows pass unchanged"
    stub = Stubs(tmp_path).read("m")
    assert (stub.algorithm, stub.options["params"]["algo"]) == ("AITKContainer", "healthy")
    assert (list(stub.features), stub.target) == (["a"], "b")
    assert (service.store_folders("healthy"), len(service.jobs())) == (before, jobs)


def test_other_fields_than_those_of_the_version_are_a_warning(service: Service) -> None:
    answer = service.fit("healthy", "a,c\n1,2\n", "m", "c", mode="register")
    assert answer["status"] == "registered"
    assert "WARNING: version 1 was fitted on b from a, and the entry names c from a" in answer["message"]


def test_a_model_without_a_version_is_what_load_finds(service: Service) -> None:
    answer = service.fit("healthy", DATA, "old_volume", mode='"register"')
    assert answer["status"] == "registered"
    assert "load what the notebook's load() finds" in answer["message"]


@pytest.mark.parametrize(
    ("meta", "text"),
    [
        ({"options": {"params": {"mode": "register", "algo": "healthy"}}}, "with 'into app:NAME'"),
        ({"options": {"params": {"mode": "register"}, "model_name": "m"}}, "names no algorithm"),
        (meta_for(DATA, "m", {"mode": "register", "algo": "helthy"}), "helthy"),
        (meta_for(DATA, "../m", {"mode": "register", "algo": "healthy"}), "Invalid model name"),
    ],
)
def test_what_cannot_be_registered_is_an_error(service: Service, meta: dict[str, object], text: str) -> None:
    answer = service.post("/fit", DATA, meta)
    assert answer["status"] == "error"
    assert answer["message"].startswith("/fit: ERROR: ")
    assert text in answer["message"]
