"""While the old container answers, patterns and bounds of named tokens hold, and what is refused never reaches it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dltk_runtime.access import file
from dltk_runtime.access.file import TokenEntry
from dltk_runtime.access.holder import Right
from tests.conftest import write_notebook
from tests.oldserver import OldContainer
from tests.support.service import Service, meta_for, until

pytestmark = pytest.mark.process

DATA = "a\n1\n2\n"
WAITS = "def fit(model, df, param): open('/srv/gate').read(); model['rows'] = len(df); return {}"
APPLY_AND_FIT = [Right.APPLY, Right.FIT]
REFUSED = ("is none of them", "is reached: ", "was fitted with the token")
ENTRIES: dict[str, dict[str, Any]] = {
    "narrow": {"rights": APPLY_AND_FIT, "models": ("own_*",)},
    "by_algorithm": {"rights": APPLY_AND_FIT, "models": ("plain/*",)},
    "one_fit": {"rights": APPLY_AND_FIT, "fits": 1},
    "no_disk": {"rights": APPLY_AND_FIT, "disk": 0},
    "other": {"rights": APPLY_AND_FIT},
}


@dataclass
class World:
    old: OldContainer
    service: Service
    tokens: dict[str, str]
    passed: int = 0  # requests that were not refused

    def send(self, path: str, token: str, model: str, algo: str = "plain", **params: str) -> dict[str, Any]:
        """What a named token is answered; without `algo` the search names none."""
        meta = meta_for(DATA, model, {"algo": algo, **params} if algo else params)
        return self.post(path, token, json.dumps({"data": DATA, "meta": meta}).encode())

    def post(self, path: str, token: str, body: bytes) -> dict[str, Any]:
        answer = dict(json.loads(self.service.send(path, body, token=self.tokens[token])))
        self.passed += not any(each in answer["message"] for each in REFUSED)
        return answer

    def none_refused_was_forwarded(self) -> bool:
        """Wait until all that passed has been answered by the old container, and nothing else."""
        text = 'dltk_shadow_forwarded_total{outcome="answered"} %s.0'
        until(lambda: text % self.passed in self.service.send("/metrics", None).decode())
        return True


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, processes: None) -> Iterator[World]:
    root = tmp_path_factory.mktemp("allowed")
    given = {
        name: file.add(root / "tokens.json", TokenEntry(name=name, values=[], **each)) for name, each in ENTRIES.items()
    }
    with OldContainer(root / "old") as old:
        for name in ("plain", "waits"):
            old.module(name, **({"fit": WAITS} if name == "waits" else {}))
            write_notebook(root / "notebooks", name)
        os.mkfifo(root / "old" / "gate")
        variables = {"DLTK_SHADOW": old.url, "DLTK_SHADOW_TOKEN": old.token, "DLTK_OTHERS_MODELS": "refuse"}
        variables |= {"DLTK_TOKENS_FILE": str(root / "tokens.json")}
        with Service(root / "home", root / "notebooks", **variables) as service:
            yield World(old, service, given)


def test_a_token_reaches_the_models_of_its_pattern_and_no_others(world: World) -> None:
    for path, token, model in (
        ("/fit", "narrow", "own_a"),
        ("/apply", "narrow", "own_a"),
        ("/fit", "by_algorithm", "b"),
    ):
        assert world.send(path, token, model)["status"] == "success", (path, token)
    for path, token, model, algo in (
        ("/fit", "narrow", "others", "plain"),
        ("/apply", "narrow", "others", "plain"),
        ("/apply", "by_algorithm", "b", "waits"),
    ):
        answer = world.send(path, token, model, algo)
        assert f"The token '{token}' is for the models" in answer["message"], answer
        assert f"{algo}/{model} is none of them" in answer["message"]
    for mode in ("stage", "register"):
        assert "is none of them" in world.send("/fit", "narrow", "others", mode=mode)["message"]
    assert world.none_refused_was_forwarded()


def test_a_search_without_an_algorithm_needs_a_pattern_of_names(world: World) -> None:
    assert world.send("/fit", "narrow", "own_b")["status"] == "success"
    answer = world.send("/apply", "by_algorithm", "own_b", "")
    assert "'own_b' of an algorithm that the search does not name (algo=) is none of them" in answer["message"]
    assert world.none_refused_was_forwarded()
    world.send("/apply", "narrow", "own_b", "")
    assert world.none_refused_was_forwarded()


@pytest.mark.parametrize("key", ["meta", "\\u006deta"])
def test_a_model_that_is_named_twice_is_the_one_that_counts(world: World, key: str) -> None:
    """Whichever of two equal keys the old container takes, the pattern is compared with that one."""
    allowed, other = (json.dumps(meta_for(DATA, model, {"algo": "plain"})) for model in ("own_a", "others"))
    answer = world.post("/apply", "narrow", f'{{"data": "a\\n1\\n", "meta": {allowed}, "{key}": {other}}}'.encode())
    assert "plain/others is none of them" in answer["message"]
    assert world.none_refused_was_forwarded()


def test_bounds_hold_before_the_old_container_has_the_fit(world: World) -> None:
    first = threading.Thread(target=world.send, args=("/fit", "one_fit", "waiting", "waits"))
    first.start()
    gate = os.open(world.old.home / "gate", os.O_WRONLY)  # once the old container's fit reads it
    try:
        answer = world.send("/fit", "one_fit", "second")
    finally:
        os.close(gate)
        first.join(120)
    assert "The bound 'fits' of the token 'one_fit' is reached: 1 of its fits run, and 1 may." in answer["message"]
    assert "The bound 'disk' of the token 'no_disk' is reached" in world.send("/fit", "no_disk", "m")["message"]
    until(lambda: world.send("/fit", "one_fit", "second")["status"] == "success")
    assert "the right" not in world.send("/apply", "no_disk", "own_a")["message"]


def test_our_own_fit_is_the_tokens_and_keeps_others_out(world: World) -> None:
    assert world.send("/fit", "other", "theirs")["status"] == "success"
    until(
        lambda: [job["state"] for job in world.service.jobs() if job["model"] == "theirs"] == ["succeeded"], seconds=200
    )
    assert {job["owner"] for job in world.service.jobs() if job["model"] == "theirs"} == {"other"}
    for mode in ({}, {"mode": "register"}, {"mode": "'stage'"}):  # the old container trains with each
        answer = world.send("/fit", "one_fit", "theirs", **mode)
        assert "was fitted with the token 'other'" in answer["message"], mode
    assert world.send("/fit", "one_fit", "theirs", mode='"stage"')["status"] == "staged"
    assert world.none_refused_was_forwarded()


def test_a_summary_shows_a_token_for_some_models_no_other_one(world: World) -> None:
    world.send("/apply", "other", "theirs")
    shown = json.loads(json.loads(world.service.send("/summary", None, token=world.tokens["narrow"])))
    assert shown["runtime"] == "dltk-runtime"
    assert "runtime" not in json.loads(json.loads(world.service.send("/summary", None, token=world.tokens["other"])))
