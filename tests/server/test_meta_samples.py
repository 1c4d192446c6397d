"""Real `meta` objects of Splunk: each is staged as it is, and reaches `init` unchanged without its `mode`."""

from __future__ import annotations

import copy
import csv
import json
import re
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import Service
from tests.support.wire import ECHO

SAMPLES: list[dict[str, Any]] = json.loads(Path(__file__).parents[1].joinpath("data", "meta_samples.json").read_text())


def name_of(sample: dict[str, Any]) -> str:
    options = sample["options"]
    return f"{options['params'].get('algo', 'none')}-{options.get('model_name', 'default')}"


def algo(sample: dict[str, Any]) -> str | None:
    found: str | None = sample["options"]["params"].get("algo")
    return found


every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=map(name_of, SAMPLES))


NOTEBOOKS = {str(name).strip('"'): ECHO for name in {algo(sample) for sample in SAMPLES} - {None}}
pytestmark = [pytest.mark.process, pytest.mark.server(notebooks=NOTEBOOKS)]


def data_for(sample: dict[str, Any]) -> str:
    """Two rows of the fields that the search sent."""
    fields = sample.get("target_variables", []) + sample["feature_variables"]
    return ",".join(fields) + "\n" + 2 * (",".join("1" for _ in fields) + "\n")


def without_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_keys(each) for key, each in value.items() if key != "session_key"}
    return value


def without_mode(sample: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(sample)
    del changed["options"]["params"]["mode"]
    return changed


def test_there_are_56_samples_all_of_them_staging() -> None:
    assert len(SAMPLES) == 56
    assert all(sample["options"]["params"]["mode"] == "stage" for sample in SAMPLES)


@every_sample
def test_a_sample_as_it_is_is_staged(service: Service, sample: dict[str, Any]) -> None:
    answer = service.post("/fit", data_for(sample), sample)
    found = re.fullmatch(r"Model data staged successfully in (.*)\.csv - no model was built yet\.", answer["message"])
    assert found, answer
    assert answer == {"status": "staged", "message": found[0]}
    assert Path(found[1]) == service.notebooks / "data" / sample["options"].get("model_name", "default")
    assert Path(f"{found[1]}.csv").read_text() == data_for(sample)
    assert json.loads(Path(f"{found[1]}.json").read_text()) == without_keys(sample)


@pytest.fixture(scope="module")
def fits(shared_service: Service) -> list[Future[dict[str, Any]]]:
    """The answers to all samples without `mode`; several at a time, since most of each is the start of processes."""
    with ThreadPoolExecutor(3) as pool:
        return [pool.submit(shared_service.post, "/fit", data_for(each), without_mode(each)) for each in SAMPLES]


@pytest.mark.timeout(900)  # the first of them waits for all fits
@pytest.mark.parametrize("number", range(len(SAMPLES)), ids=map(name_of, SAMPLES))
def test_a_sample_without_mode_reaches_init_and_apply_unchanged(
    fits: list[Future[dict[str, Any]]], number: int
) -> None:
    sample, answer = SAMPLES[number], fits[number].result()
    if algo(sample) is None:
        assert answer["message"].startswith("/fit: ERROR: unable to load algo code from module. ")
        assert "names no algorithm" in answer["message"]
        return
    assert answer["status"] == "success", answer
    init, apply = (json.loads(cell) for cell in cells(answer["results"]))
    assert init == apply == without_keys(without_mode(sample))


def cells(results: str) -> list[str]:
    """The two cells of the only row."""
    _, row = csv.reader(results.splitlines())
    return row
