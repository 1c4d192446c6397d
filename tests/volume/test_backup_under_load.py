"""A server whose home is backed up while it fits, promotes and answers; the home is destroyed, and comes back."""

from __future__ import annotations

import json
import shutil
import threading
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelName, ModelStore, Version
from dltk_runtime.volume import record, restore
from dltk_runtime.volume.backup import back_up
from tests.support.service import Service, until

MODELS = ("first", "second")


def rows(number: int) -> str:
    return "a,b\n" + "".join(f"{row},{row}\n" for row in range(number))


pytestmark = [
    pytest.mark.process,
    pytest.mark.server(
        notebooks={"healthy": {}},
        fits=[("healthy", rows(5), each) for each in MODELS],
        own=True,
        DLTK_KEEP_VERSIONS="1000",  # so that the source has every version that the backup has
    ),
]


def restored(backup: Path, paths: Paths) -> None:
    found = record.read(backup)
    restore.check(backup, found)
    restore.restore(backup, found, paths, set_aside=False)
    restore.verify(backup, found, paths)


def answers(service: Service) -> list[str]:
    """What each model answers: the number of rows of the fit whose version is current."""
    return [service.apply("healthy", "a,b\n1,1\n", model)["results"] for model in MODELS]


def current(paths: Paths) -> list[Version]:
    store = ModelStore.open(paths, keep=1000)
    return [store.serving(ModelName("healthy", model)) for model in MODELS]


def expected(paths: Paths) -> list[str]:
    return [f"rows\n{each.manifest().rows}\n" for each in current(paths)]


def of_versions(service: Service, versions: list[Version]) -> list[str]:
    """What the service answers by these versions, whichever is current."""
    headers = {"Authorization": service.token, "Content-Type": "text/csv", "Accept": "text/csv"}
    found = []
    for model, each in zip(MODELS, versions, strict=True):
        url = f"{service.url}/v1/models/healthy/{model}/versions/{each.number}/apply"
        with urllib.request.urlopen(urllib.request.Request(url, b"a,b\n1,1\n", headers), timeout=100) as answer:
            found.append(answer.read().decode())
    return found


def fits_and_rollbacks(service: Service, ended: threading.Event, done: list[int]) -> None:
    """Fit and go back until told to end; each fit has another number of rows."""
    while not ended.is_set():
        number = 6 + len(done)
        for model in MODELS:
            assert service.fit("healthy", rows(number), model)["status"] == "success"
            path = f"{service.url}/v1/models/healthy/{model}/rollback"
            request = urllib.request.Request(path, method="POST", headers={"Authorization": service.token})
            if number % 2:
                urllib.request.urlopen(request, timeout=100).close()
        done.append(number)


def test_a_destroyed_home_comes_back_from_a_backup_made_under_load(service: Service, tmp_path: Path) -> None:
    here, elsewhere = Paths(service.home, service.notebooks), Paths(tmp_path / "new", tmp_path / "new" / "notebooks")
    ended, done = threading.Event(), list[int]()
    with ThreadPoolExecutor(1) as threads:
        load: Future[None] = threads.submit(fits_and_rollbacks, service, ended, done)
        try:
            until(lambda: done or load.done(), seconds=200)
            assert back_up(here, tmp_path / "backup").problems == []
        finally:
            ended.set()
    load.result()
    restored(tmp_path / "backup", elsewhere)
    source = of_versions(service, current(elsewhere))  # while there is one
    with Service(elsewhere.home, elsewhere.notebooks) as other:
        assert answers(other) == expected(elsewhere) == source
        assert "succeeded" in {each["state"] for each in json.loads(other.send("/v1/jobs", None))["jobs"]}

    before = answers(service)
    back_up(here, tmp_path / "last")
    service.stop()
    for folder in (service.home, service.notebooks):
        shutil.rmtree(folder)
    restored(tmp_path / "last", here)
    service.start()
    assert answers(service) == before == expected(here)
    assert service.fit("healthy", rows(5), "first")["status"] == "success"
