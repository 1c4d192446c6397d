"""A list of jobs reads as many records as it shows, and shows the newest of those that its reader may see."""

from __future__ import annotations

from pathlib import Path

import pytest

from dltk_runtime.access.holder import Holder
from dltk_runtime.jobs.index import JobIndex, SeenRecord
from dltk_runtime.names import ModelName
from dltk_runtime.server import v1_asked
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.server.v1_routes import V1Api
from dltk_runtime.service.wiring import build
from dltk_runtime.settings import Settings

MODELS = ("a", "b")


def test_a_list_reads_no_more_jobs_than_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(api_token="a-token-0123", home=tmp_path / "home", notebooks=tmp_path)
    service = build(settings)
    made = [service.jobs.create(ModelName("algo", MODELS[number % 2]), {}) for number in range(6)][::-1]
    for job in made:
        job.fail("for the test")  # what has not ended is looked at whatever is shown
    ids, read, index = [job.id for job in made], [], JobIndex.record

    def record(self: JobIndex, job: str) -> SeenRecord | None:
        read.append(job)
        return index(self, job)

    monkeypatch.setattr(JobIndex, "record", record)
    api = V1Api(service, Tokens(settings))
    assert [each.id for each in api.jobs.listed(Holder("x"), None, 2).jobs] == ids[:2]
    assert read == ids[:2]
    assert [each.id for each in api.jobs.listed(Holder("x"), None, 2, ModelName("algo", "a")).jobs] == [ids[1], ids[3]]
    assert read[2:] == ids[:4]
    assert [each.id for each in api.jobs.listed(Holder("y", models=("b",)), "failed", 2).jobs] == [ids[0], ids[2]]


def test_a_token_for_some_models_sees_its_jobs_behind_however_many_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(api_token="a-token-0123", home=tmp_path / "home", notebooks=tmp_path)
    service = build(settings)
    monkeypatch.setattr(v1_asked, "MAX_LISTED", 3)
    own = service.jobs.create(ModelName("algo", "own"), {}).id
    for _ in range(3):
        service.jobs.create(ModelName("algo", "other"), {})
    shown = V1Api(service, Tokens(settings)).jobs.listed(Holder("y", models=("own",)), None, 3).jobs
    assert [each.id for each in shown] == [own]
