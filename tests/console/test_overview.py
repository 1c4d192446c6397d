"""The overview, the history and the list of models: what they show, and how much they read."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dltk_runtime.access import file
from dltk_runtime.access.file import TokenEntry
from dltk_runtime.access.holder import Holder, Right
from dltk_runtime.call import Call, CallFacts
from dltk_runtime.paths import Paths
from dltk_runtime.server.console import assets
from dltk_runtime.service.calls import CallList, Traffic
from dltk_runtime.service.health import HealthList, ModelHealth
from dltk_runtime.shadow.record import ComparedRequest, Records
from dltk_runtime.store.manifest import SourceHash
from dltk_runtime.tables.feature import Feature
from tests.console import use
from tests.console.inside import World, made
from tests.console.test_assets import MAX_FIRST_PAGE_BYTES
from tests.console.test_pages import HOSTILE, Parts


@pytest.fixture
def world(paths: Paths) -> World:
    return World(paths)


def answered(world: World, model: str = "m", outcome: str = "success", **meta: Any) -> None:
    facts = CallFacts(algorithm="healthy", model=model, version=1, rows=3)
    world.service.calls.add(Call("id", "/apply", facts=facts, holder=Holder("team-a"), meta=meta), outcome, 0.02)


def healths(world: World) -> dict[str, ModelHealth]:
    found = msgspec.json.decode(world.get("/v1/health"), type=HealthList).models
    return {each.model: each for each in found}


def test_a_badge_is_the_worst_of_what_is_known_and_the_status_has_the_same(world: World) -> None:
    world.commit()
    assert healths(world)["m"].reasons == ["nothing is wrong"]
    world.commit(features=[Feature("x", "number")], sources=[SourceHash("healthy", "healthy.ipynb", "0" * 64)])
    store = world.service.store
    store.promote(store.versions(store.models()[0])[0])
    answered(world, outcome="broken")
    found = healths(world)["m"]
    assert (found.level, found.current, found.newest, found.failures) == ("bad", 1, 2, 1)
    assert found.reasons == [
        "1 of the last 1 requests failed",
        "Splunk sends the fields of version 2, and the current version has others",
        "version 2 is not current",
    ]
    for page in ("/ui", "/ui/models", "/ui/models/healthy/m"):
        text = world.get(page)
        assert '<span class="badge bad">bad</span> 1 of the last 1 requests failed; Splunk sends' in text, page
    status = world.service._status.collect(stopping=False, shown=lambda _: True).results.view()
    assert b"bad,1 of the last 1 requests failed; Splunk sends" in bytes(status).replace(b'"', b"")


def test_code_that_changed_since_the_fit_is_said_until_it_is_fitted_again(world: World) -> None:
    world.notebook()
    from dltk_runtime.notebook import algorithm

    now = algorithm.source_of("healthy", world.paths).sha256
    world.commit(sources=[SourceHash("healthy", "healthy.ipynb", now)])
    assert healths(world)["m"].level == "good"
    path = world.paths.notebooks / "healthy.ipynb"
    document = json.loads(path.read_text())
    document["cells"][0]["source"] = "import json\nimport pandas as pd\nMORE = 1\n"
    path.write_text(json.dumps(document))
    assert healths(world)["m"].reasons == ["the notebook has changed since the fit"]
    path.unlink()
    assert healths(world)["m"].level == "good", "there is nothing to compare with"


def test_damage_of_the_current_version_and_of_a_newer_one(world: World) -> None:
    first, second = world.commit(), world.commit()
    world.service.store.promote(first)
    (world.paths.versions / "healthy" / "m" / "2" / "version.json").write_text("{")
    world.service.health._words.clear()
    assert (healths(world)["m"].current, healths(world)["m"].newest) == (1, 2)
    (world.paths.versions / "healthy" / "m" / "1" / "version.json").write_text("{")
    found = healths(world)["m"]
    assert (found.level, found.current) == ("bad", None)
    assert "damaged" in found.reasons[0]
    assert second.number == 2


def test_requests_rows_p99_workers_and_memory_stand_on_the_overview(world: World) -> None:
    answered(world)
    traffic = msgspec.json.decode(world.get("/v1/traffic"), type=Traffic)
    assert (traffic.requests, traffic.rows, traffic.p99) == (1, 3, 0.02)
    machine = msgspec.json.decode(world.get("/v1/machine"))
    assert machine["memory_limit_bytes"] > 0
    text = " ".join(world.get("/ui").split())
    for said in ("<dt>requests</dt><dd>1</dd>", "<dt>rows</dt><dd>3</dd>", "20 ms", "0 of 0", "share of workers"):
        assert said in text, said
    assert 'aria-label="memory in use"' in text


def test_recent_calls_say_outcome_fields_token_and_search_and_whose_they_are(world: World) -> None:
    answered(world, outcome=HOSTILE[0], feature_variables=["x", HOSTILE[1]], sid="1700000000.7")
    view = msgspec.json.decode(world.get("/v1/calls"), type=CallList)
    assert [(each.outcome, each.sid) for each in view.calls] == [(HOSTILE[0], "1700000000.7")]
    assert view.replica
    parts = Parts()
    parts.feed(world.get("/ui/history"))
    for said in (HOSTILE[0], f"x, {HOSTILE[1]}", "team-a", "1700000000.7", view.replica):
        assert said in parts.text, said
    assert parts.tags & {"script", "img"} == set()


def test_a_token_for_some_models_sees_their_calls_and_badges_alone(paths: Paths) -> None:
    tokens = paths.home / "tokens.json"
    entry = TokenEntry(name="some", values=[], rights=[Right.READ], models=("mine",))
    token = file.add(tokens, entry)
    world = World(paths, {"tokens_file": tokens})
    for model in ("mine", "foreign"):
        world.commit(f"healthy/{model}")
        answered(world, model)
        compared(world, model)
    for page in ("/ui", "/ui/models", "/ui/history", "/v1/calls", "/v1/health"):
        text = world.get(page, token)
        assert "mine" in text, page
        assert "foreign" not in text, page
    assert '"requests":1,' in world.get("/v1/traffic", token)
    assert world.ask("/v1/models/healthy/foreign/drift", token).status == 403


def compared(world: World, model: str, ours: str = "success") -> None:
    record = ComparedRequest(
        time=datetime.now(UTC),
        route="/apply",
        algorithm="healthy",
        model=model,
        old="success",
        ours=ours,
        old_seconds=0.5,
        our_seconds=0.25,
        rows=10,
        place="healthy.ipynb, cell 3" if ours != "success" else "",
    )
    Records(world.paths.shadow, 10**6).add(record)


def test_verdicts_of_the_shadow_stand_in_the_history_where_it_has_run(world: World) -> None:
    assert "old container" not in world.get("/ui/history")
    compared(world, "m", ours="failed")
    text = world.get("/ui/history")
    for said in ("ours fails", "healthy / m", "0.500 s", "ours: healthy.ipynb, cell 3"):
        assert said in text, said


# ------------------------------------------------------------ how much is read


@contextmanager
def opened() -> Iterator[list[str]]:
    """Collect the files that are opened and the folders that are listed below the home."""
    found: list[str] = []
    active = [True]

    def heard(event: str, arguments: Any) -> None:
        if active and event in ("open", "os.listdir", "os.scandir") and "home" in str(arguments[0]):
            found.append(str(arguments[0]))

    sys.addaudithook(heard)  # stays for the process, so it is turned off
    try:
        yield found
    finally:
        active.clear()


MAX_READS_FOR_A_MODEL = 5  # its folder three times, the pointer, the promotions
PAGES = ("/ui", "/ui/models", "/ui/jobs", "/ui/drift", "/ui/history", "/ui/models/healthy/m0")


def read_by(world: World, page: str) -> int:
    world.get(page)  # what is read once is read
    with opened() as found:
        world.get(page)
    return len(found)


def filled(world: World, models: int, versions: int, jobs: int) -> None:
    for model in range(models):
        for _ in range(versions):
            world.commit(f"healthy/m{model}")
        for _ in range(jobs):
            world.ended(f"healthy/m{model}")
    world.service.jobs._disk.submit(lambda: None).result()  # type: ignore[attr-defined]  # what jobs left to do


@pytest.mark.parametrize("page", PAGES)
def test_a_page_reads_no_more_for_more_versions_and_jobs(page: str, tmp_path: Path) -> None:
    reads = []
    for place, (versions, jobs) in {"few": (2, 1), "many": (5, 12)}.items():
        world = World(made(tmp_path / place))
        filled(world, 3, versions, jobs)
        reads.append(read_by(world, page))
    of_versions = {"/ui/models/healthy/m0": 4 * (5 - 2)}.get(page, 0)  # its own page shows each of them
    assert reads[1] <= reads[0] + of_versions, reads


def test_the_overview_reads_few_files_for_each_model(tmp_path: Path) -> None:
    reads = []
    for models in (2, 6):
        world = World(made(tmp_path / str(models)))
        filled(world, models, 2, 1)
        reads.append(read_by(world, "/ui"))
    assert (reads[1] - reads[0]) / 4 <= MAX_READS_FOR_A_MODEL, reads


def test_the_first_page_is_small_with_200_models_and_1000_jobs(world: World) -> None:
    filled(world, 1, 1, 5)
    (one,) = msgspec.json.decode(world.get("/v1/health"), type=HealthList).models
    many = [
        msgspec.structs.replace(one, model=f"model_{number}", reasons=[f"{number} of the last 20 requests failed"])
        for number in range(200)
    ]
    jobs = [
        msgspec.structs.replace(
            each, id=f"20261130T{number:06}.{number:06}Z-{number * 7919 % 2**32:08x}", model=f"model_{number % 200}"
        )
        for number, each in enumerate(world.service.jobs.list(5) * 200)
    ]
    world.service.health.collect = lambda *_: HealthList(many)  # type: ignore[method-assign]
    world.service.jobs.list = lambda *_, **__: jobs  # type: ignore[method-assign]
    answer = world.ask("/ui", accept_encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    text = gzip.decompress(answer.body).decode()
    assert text.count("<rect class=") > 1000
    loaded = set(re.findall(r'"/ui/files/[0-9a-f]+/([^"]+)"', text))
    assert loaded == {"pico.css", "console.css"}
    assert len(answer.body) + sum(len(assets.content(name)) for name in loaded) <= MAX_FIRST_PAGE_BYTES
    assert "content-encoding" not in world.ask("/ui").headers


def test_the_page_of_a_deletion_writes_a_command_that_a_shell_reads(world: World) -> None:
    world.commit("words of it/m")
    text = world.get("/ui/models/words%20of%20it/m/delete")
    assert "<code>dltk forget &#39;words of it/m&#39;</code>" in text
    assert "None of the last calls that this replica knows was of this model." in text


def test_a_title_that_turns_the_direction_of_its_page_is_shown_as_text(world: World) -> None:
    use.write(world.paths.notebooks, "typed", f"# Doubles \u202egnp {'long ' * 60}")
    for page in ("/ui/algorithms", "/ui/algorithms/typed"):
        text = world.get(page)
        assert "Doubles ?gnp" in text
        assert "\u202e" not in text
    assert "long " * 40 not in world.get("/ui/algorithms")


def test_a_slash_at_the_end_of_the_address_leads_on(world: World) -> None:
    answer = world.ask("/ui/")
    assert (answer.status, answer.headers["location"]) == (303, "/ui")
