"""240 pipelines as people type them: each runs with the result that was written down, or is refused."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.spl.context import Context, make_context
from dltk_runtime.emulator.spl.pipeline import run
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, Standin, standin
from tests.emulator.tables import entries, expected, table

FOLDER = Path(__file__).parent / "pipelines"
PIPELINES = dict(entries(FOLDER, "pipeline"))
NOW = 1_700_000_000
MAX_REFUSED = 40

# Models that the searches apply; they are fitted before.
FITTED = (
    "| inputlookup flowers.csv | fit MLTKContainer algo=linear y from x1 x2 into known",
    "| inputlookup flowers.csv | fit LinearRegression y from x1 x2 into linreg",
    "| inputlookup flowers.csv | fit StandardScaler x1 x2 into scaled",
)


def counted(path: str, payload: dict[str, Any]) -> tuple[int, bytes]:
    """Answer one row, its number, per row of the data."""
    if path == "/summary":
        return 200, json.dumps(json.dumps({"app": "standin", "model": "no model exists", "token": "valid"})).encode()
    rows = len(list(csv.reader(io.StringIO(payload["data"])))) - 1
    results = "index\n" + "".join(f"{number}\n" for number in range(rows))
    return 200, json.dumps({"status": "success", "message": f"{path} done successfully", "results": results}).encode()


@pytest.fixture(scope="module")
def container() -> Iterator[Standin]:
    with standin() as state:
        state.answer = counted
        yield state


@pytest.fixture
def context(container: Standin, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A context at `NOW` whose lookups are those of `FOLDER`."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # else scikit-learn starts a process to count them
    lookups = tmp_path / "lookups"
    shutil.copytree(FOLDER / "files", lookups)
    context = make_context(ClientSettings(url=container.url, token=TOKEN), paths, lookups)
    return replace(context, clock=lambda: float(NOW))


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_as_people_type_it_gives_what_splunk_gives_or_says_why_not(name: str, context: Context) -> None:
    entry = PIPELINES[name]
    if "apply" in entry["spl"] or "summary" in entry["spl"] or "listmodels" in entry["spl"]:
        for search in FITTED:
            run(search, context)
    if "refused" in entry:
        with pytest.raises(SearchError, match=entry["refused"]):
            run(entry["spl"], context)
    else:
        assert table(run(entry["spl"], context).frame) == expected(entry)


def test_there_are_twenty_of_each_group_and_few_are_refused() -> None:
    groups = [name.rsplit("-", 1)[0] for name in PIPELINES]
    assert {groups.count(group) for group in groups} == {20}
    assert len(PIPELINES) == 240
    refused = [entry for entry in PIPELINES.values() if "refused" in entry]
    assert len(refused) <= MAX_REFUSED
    assert all(entry["why"] for entry in refused)
    assert sum("page" in entry for entry in PIPELINES.values()) >= 80
