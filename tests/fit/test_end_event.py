"""The event of a real job's end, as Splunk indexes it: whose job it was, its seconds in the queue and on a GPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.access import file
from dltk_runtime.access.file import TokenEntry
from dltk_runtime.access.holder import Right
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.pool.test_gpus import Tool
from tests.splunkd import Splunkd
from tests.support.service import Service, until

pytestmark = pytest.mark.process

ROWS = "x\n1\n2\n"


def test_the_end_of_a_fit_says_whose_it_was_and_what_it_took(
    splunkd: Splunkd, paths: Paths, make_notebook: MakeNotebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the driver's tool knows two GPUs; of the two algorithms one imports what trains on them.

    The bound of the token's day is used up by the first fit that held one.
    """
    make_notebook("light")
    make_notebook("heavy", xgb="import xgboost")
    tool = Tool(tmp_path / "driver")
    tool.say()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    tokens = tmp_path / "tokens.json"
    token = file.add(tokens, TokenEntry(name="trainers", values=[], rights=[Right.FIT], gpu_seconds=0.000001))
    variables = {"splunk_hec_enabled": "1", "splunk_hec_url": splunkd.hec_url, "splunk_hec_token": splunkd.hec_token}
    variables |= {"DLTK_TOKENS_FILE": str(tokens), "DLTK_SPARES": "0", "PATH": tool.path}
    with Service(paths.home, paths.notebooks, **variables) as service:
        service.token = token
        for name in ("light", "heavy"):
            assert service.fit(name, ROWS)["status"] == "success"

        def ends() -> dict[str, dict[str, Any]]:
            events = [json.loads(row["_raw"]) for row in splunkd.storage.indexes["main"].rows()]
            return {each["algorithm"]: each for each in events if each.get("state") == "succeeded"}

        until(lambda: len(ends()) == 2, 200)
        ended, records = ends(), {each["algorithm"]: each for each in service.jobs()}
        said = "The bound 'gpu_seconds' of the token 'trainers' is reached"
        until(lambda: said in service.fit("heavy", ROWS)["message"], 200)  # its seconds are written in a thread
        assert service.fit("light", ROWS)["status"] == "success", "it needs no GPU"
    for name, event in ended.items():
        told = {field: event.get(field) for field in ("owner", "queue_seconds", "gpu_seconds")}
        assert told == {field: records[name].get(field) for field in told}
        assert told["owner"] == "trainers"
        assert event["queue_seconds"] >= 0
    assert "gpu_seconds" not in ended["light"]
    assert ended["heavy"]["gpu_seconds"] > 0
