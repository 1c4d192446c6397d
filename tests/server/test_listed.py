"""A list of jobs reads as many records as it shows."""

from __future__ import annotations

from pathlib import Path

from dltk_runtime.access.holder import Holder
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.names import ModelName
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.server.v1_asked import MAX_LISTED
from dltk_runtime.server.v1_routes import Api
from dltk_runtime.service.wiring import build
from dltk_runtime.settings import Settings

MODELS = ("a", "b")


def test_a_list_reads_no_more_jobs_than_it_shows(tmp_path: Path) -> None:
    settings = Settings(api_token="a-token-0123", home=tmp_path / "home", notebooks=tmp_path)
    service = build(settings)
    made = [service.jobs.create(ModelName("algo", MODELS[number % 2]), {}).id for number in range(6)][::-1]
    asked: list[int | None] = []
    read = service.jobs.list

    def counting(limit: int | None = None, state: State | None = None) -> list[JobRecord]:
        asked.append(limit)
        return read(limit, state)

    service.jobs.list = counting  # type: ignore[method-assign]
    api = Api(service, Tokens(settings))
    everything, some = Holder("x"), Holder("y", models=("b",))
    assert [each.id for each in api.listed(everything, None, 2).jobs] == made[:2]
    assert [each.id for each in api.listed(everything, None, 2, ModelName("algo", "a")).jobs] == [made[1], made[3]]
    assert [each.id for each in api.listed(some, "queued", 2).jobs] == [made[0], made[2]]
    assert asked == [2, MAX_LISTED, MAX_LISTED]
