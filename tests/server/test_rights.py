"""Rights of named tokens: five tokens and twelve actions over HTTP, patterns of models, bounds, owners."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dltk_runtime.access import file
from dltk_runtime.access.file import TokenEntry
from dltk_runtime.access.holder import Right
from dltk_runtime.shadow import ComparedRequest, Records
from tests.conftest import write_notebook
from tests.fit.test_async_fits import FIT, SAVE, WAIT, Gate
from tests.server.rights import ROWS, Others, ask, door, search
from tests.support.service import Service, meta_for, until

pytestmark = pytest.mark.process

WAITS = {"wait": WAIT, "fit": FIT, "save": SAVE, "apply": "def apply(model, df, param):\n    return df"}
ENTRIES = {
    "searcher": {"rights": [Right.APPLY]},
    "trainer": {"rights": [Right.APPLY, Right.FIT], "models": ("m", "own_*"), "fits": 1, "queue": 1},
    "promoter": {"rights": [Right.READ, Right.PROMOTE]},
    "reader": {"rights": [Right.READ]},
    "admin": {"rights": [Right.ADMIN]},
    "narrow": {"rights": [Right.READ], "models": ("m",)},
    "full": {"rights": [Right.APPLY, Right.FIT], "disk": 1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rights")
    write_notebook(root / "notebooks", "algo")
    write_notebook(root / "notebooks", "waits", **WAITS)
    return root


@pytest.fixture(scope="module")
def tokens(folder: Path) -> dict[str, str]:
    return {
        name: file.add(folder / "tokens.json", TokenEntry(name=name, values=[], **given))  # type: ignore[arg-type]
        for name, given in ENTRIES.items()
    }


@pytest.fixture(scope="module")
def service(folder: Path, tokens: dict[str, str]) -> Iterator[Service]:
    assert tokens
    variables = {"DLTK_TOKENS_FILE": str(folder / "tokens.json"), "DLTK_KEEP_VERSIONS": "50"}
    with Service(folder / "home", folder / "notebooks", **variables) as service:
        for model in ("m", "m", "own_door", "others"):
            assert service.fit("algo", ROWS, model)["status"] == "success"
        yield service


@pytest.fixture
def others(service: Service, tmp_path: Path) -> Iterator[Others]:
    made = Others(service, Gate(tmp_path))
    assert service.fit("algo", ROWS, "gone")["status"] == "success"
    yield made
    made.gate.go_on.touch()
    until(lambda: all(job["state"] not in ("queued", "running") for job in service.jobs()))


def actions(service: Service, token: str, others: Others) -> Iterator[tuple[str, int]]:
    """Try each action, and what it was answered."""
    model = "/v1/models/algo/m"
    yield "apply", ask(service, "POST", "/apply", token, search())[0]
    yield "fit", ask(service, "POST", "/fit", token, search())[0]
    yield "fit, async", ask(service, "POST", "/fit", token, search(mode="async"))[0]
    yield "stage", ask(service, "POST", "/fit", token, search(mode="stage"))[0]
    yield "summary", ask(service, "GET", "/summary", token)[0]
    yield "metrics", ask(service, "GET", "/metrics", token)[0]
    yield "models", ask(service, "GET", "/v1/models", token)[0]
    yield "jobs", ask(service, "GET", "/v1/jobs", token)[0]
    yield "promote", ask(service, "POST", f"{model}/promote/2", token)[0]
    yield "rollback", ask(service, "POST", f"{model}/rollback", token)[0]
    yield "delete", ask(service, "DELETE", "/v1/models/algo/gone", token)[0]
    yield "cancel", ask(service, "DELETE", f"/v1/jobs/{others.job()}", token)[0]


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("searcher", {"apply", "summary"}),
        ("trainer", {"apply", "fit", "fit, async", "stage", "summary"}),
        ("promoter", {"summary", "metrics", "models", "jobs", "promote", "rollback"}),
        ("reader", {"summary", "metrics", "models", "jobs"}),
        (
            "admin",
            {"apply", "fit", "fit, async", "stage", "summary", "metrics", "models", "jobs"}
            | {"promote", "rollback", "delete", "cancel"},
        ),
    ],
)
def test_each_token_may_what_its_rights_say_and_nothing_else(
    service: Service, tokens: dict[str, str], others: Others, name: str, allowed: set[str]
) -> None:
    found = dict(actions(service, tokens[name], others))
    assert found == {each: 200 if each in allowed else 403 for each in found}
    assert len(found) == 12
    ended = allowed & {"delete", "cancel"}
    until(lambda: others.ended() == ended)


def test_a_wrong_token_gets_what_it_got(service: Service, others: Others) -> None:
    assert {status for _, status in actions(service, "wrong", others)} == {401}


def test_an_unknown_job_is_unknown_to_everybody(service: Service, tokens: dict[str, str]) -> None:
    unknown = "/v1/jobs/20260101T000000.000000Z-00000000"
    assert {ask(service, "DELETE", unknown, tokens[each])[0] for each in ("reader", "admin")} == {404}


def test_a_refusal_in_a_search_names_the_token_and_the_right(service: Service, tokens: dict[str, str]) -> None:
    _, answer = ask(service, "POST", "/fit", tokens["searcher"], search())
    assert answer["message"].startswith(
        "/fit: ERROR: unable to fit model. The token 'searcher' lacks the right 'fit': it has apply."
    )


def test_other_models_than_those_of_the_pattern_are_neither_used_nor_seen(
    service: Service, tokens: dict[str, str]
) -> None:
    for route in ("/fit", "/apply"):
        for params in ({}, {"mode": "stage"}, {"mode": "register"}) if route == "/fit" else ({},):
            _, answer = ask(service, "POST", route, tokens["trainer"], search("others", **params))
            assert "'trainer' is for the models m, own_*" in answer["message"], (route, params)
    unnamed = {"data": ROWS, "meta": meta_for(ROWS, "others", {})}
    _, answer = ask(service, "POST", "/apply", tokens["trainer"], json.dumps(unnamed).encode())
    assert "algo/others is none of them" in answer["message"]
    _, rows = ask(service, "POST", "/apply", tokens["trainer"], search(algo="dltk_status"))
    assert "others" not in rows["results"]
    assert ",m," in rows["results"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models/algo/{}/apply"),
        ("POST", "/v1/models/algo/{}/versions/1/apply"),
        ("GET", "/v2/models/algo.{}"),
        ("GET", "/v2/models/algo.{}/ready"),
        ("POST", "/v2/models/algo.{}/infer"),
        ("POST", "/invocations?model=algo.{}"),
    ],
)
def test_every_other_door_keeps_to_rights_and_patterns(
    service: Service, tokens: dict[str, str], method: str, path: str
) -> None:
    assert door(service, method, path.format("own_door"), tokens["trainer"]) == 200
    assert door(service, method, path.format("others"), tokens["trainer"]) == 403
    assert door(service, method, path.format("own_door"), tokens["reader"]) == (200 if method == "GET" else 403)


def test_comparisons_with_an_old_container_are_seen_by_whoever_may_see_the_model(
    service: Service, tokens: dict[str, str]
) -> None:
    records = Records(service.home / "shadow", 10**6)
    for name in ("m", "others", ""):  # the last is of a request that named no model
        records.add(ComparedRequest(datetime.now(UTC), "/apply", "algo", name, "success", "success"))
    for token, models in (("narrow", ["m"]), ("reader", ["", "m", "others"])):
        _, answer = ask(service, "GET", "/v1/shadow", tokens[token])
        assert [each["model"] for each in answer["models"]] == models


def test_the_bound_on_fits_at_once_names_itself_and_whose_it_is(
    service: Service, tokens: dict[str, str], tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    body = json.dumps(
        {"data": ROWS, "meta": meta_for(ROWS, "own_a", {"algo": "waits", "mode": "async"} | gate.params("fit"))}
    )
    _, answer = ask(service, "POST", "/fit", tokens["trainer"], body.encode())
    assert answer["status"] == "submitted", answer
    until(gate.began.exists)
    _, answer = ask(service, "POST", "/fit", tokens["trainer"], search("own_b"))
    assert "The bound 'fits' of the token 'trainer' is reached: 1 of its fits run, and 1 may." in answer["message"]
    _, answer = ask(service, "POST", "/fit", tokens["trainer"], search("own_b", mode="async"))
    assert answer["status"] == "submitted"
    _, answer = ask(service, "POST", "/fit", tokens["trainer"], search("own_c", mode="async"))
    assert "The bound 'queue' of the token 'trainer' is reached: 1 of its fits wait, and 1 may." in answer["message"]
    assert service.fit("algo", ROWS, "free")["status"] == "success"  # another token's
    assert [job["state"] for job in service.jobs() if job["model"] == "own_b"] == ["queued"]
    gate.go_on.touch()
    until(lambda: [job["state"] for job in service.jobs() if job["model"] == "own_b"] == ["succeeded"])


def test_the_bound_on_the_disk_holds_once_there_are_versions(service: Service, tokens: dict[str, str]) -> None:
    assert ask(service, "POST", "/fit", tokens["full"], search("filling"))[1]["status"] == "success"
    _, answer = ask(service, "POST", "/fit", tokens["full"], search("filling"))
    assert "The bound 'disk' of the token 'full' is reached: its versions have " in answer["message"]
    assert ask(service, "POST", "/apply", tokens["full"], search("filling"))[1]["status"] == "success"


def test_a_job_has_its_token_the_search_and_who_fitted_may_end_it(
    service: Service, tokens: dict[str, str], tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    meta = meta_for(ROWS, "own_d", {"algo": "waits", "mode": "async"} | gate.params("fit"))
    meta["search_info"] = {"dispatch_dir": "/opt/splunk/var/run/splunk/dispatch/1769846400.123"}
    ask(service, "POST", "/fit", tokens["trainer"], json.dumps({"data": ROWS, "meta": meta}).encode())
    until(gate.began.exists)
    job = service.jobs()[-1]
    assert (job["owner"], job["sid"]) == ("trainer", "1769846400.123")
    assert job["queue_seconds"] >= 0
    assert ask(service, "DELETE", f"/v1/jobs/{job['id']}", tokens["promoter"])[0] == 403
    assert ask(service, "DELETE", f"/v1/jobs/{job['id']}", tokens["trainer"])[0] == 200
    until(lambda: service.jobs()[-1]["state"] == "cancelled")


def test_a_fit_into_a_model_of_another_token_warns_or_is_refused(
    service: Service, folder: Path, tokens: dict[str, str]
) -> None:
    assert "fitted with" not in service.fit("algo", ROWS, "own_e")["message"]
    assert "fitted with" not in service.fit("algo", ROWS, "own_e")["message"]
    _, answer = ask(service, "POST", "/fit", tokens["trainer"], search("own_e"))
    assert answer["status"] == "success"
    said = "model 'own_e' was fitted with the token 'api_token', and this fit came with the token 'trainer'"
    assert f"WARNING: version 2 of {said}" in answer["message"]
    variables = {"DLTK_TOKENS_FILE": str(folder / "tokens.json"), "DLTK_OTHERS_MODELS": "refuse"}
    with Service(service.home, folder / "notebooks", **variables) as strict:
        answer = strict.fit("algo", ROWS, "own_e")
        assert answer["status"] == "error"
        assert "was fitted with the token 'trainer'" in answer["message"]


def test_a_token_that_is_removed_from_the_file_counts_no_more(service: Service, folder: Path) -> None:
    path = folder / "tokens.json"
    token = file.add(path, TokenEntry(name="passing", values=[], rights=[Right.READ]))
    until(lambda: ask(service, "GET", "/v1/models", token)[0] == 200)
    path.rename(folder / "aside")
    until(lambda: 'dltk_token_unread{variable="DLTK_TOKENS_FILE"} 1.0' in service.send("/metrics", None).decode())
    assert ask(service, "GET", "/v1/models", token)[0] == 200
    (folder / "aside").rename(path)
    file.remove(path, "passing")
    until(lambda: ask(service, "GET", "/v1/models", token)[0] == 401)


def test_a_token_is_replaced_without_an_outage(service: Service, folder: Path) -> None:
    """As the page *Tokens and rights* says, step by step: at each moment one of the two values counts."""
    path = folder / "tokens.json"
    entry = TokenEntry(name="replaced", values=[], rights=[Right.READ])

    def counts(token: str) -> bool:
        return ask(service, "GET", "/v1/models", token)[0] == 200

    first = file.add(path, entry)
    until(lambda: counts(first))
    second = file.add(path, entry, rotate=True)
    until(lambda: (counts(first), counts(second)) == (True, True))
    assert file.remove(path, "replaced", old=True) == 1
    until(lambda: (counts(second), counts(first)) == (True, False))


def test_the_history_of_a_model_says_who_did_what_and_why(service: Service, tokens: dict[str, str]) -> None:
    meta = meta_for(ROWS, "own_f", {"algo": "algo"}) | {"sid": "1769846400.9"}
    for _ in range(2):
        ask(service, "POST", "/fit", tokens["trainer"], json.dumps({"data": ROWS, "meta": meta}).encode())
    model = "/v1/models/algo/own_f"
    why = urllib.parse.urlencode({"reason": "too many false alarms"})
    assert ask(service, "POST", f"{model}/promote/1?{why}", tokens["promoter"])[0] == 200
    assert ask(service, "POST", f"{model}/promote/2", tokens["admin"])[0] == 200
    assert ask(service, "POST", f"{model}/rollback?reason=again", tokens["promoter"])[0] == 200
    assert ask(service, "DELETE", f"{model}?reason=done", tokens["admin"])[0] == 200
    status, found = ask(service, "GET", f"{model}/history", tokens["reader"])
    assert status == 200
    told = [(each["what"], each.get("version"), each["owner"], each.get("reason", "")) for each in found["entries"]]
    assert told == [
        ("deleted", None, "admin", "done"),
        ("rolled back", 1, "promoter", "again"),
        ("promoted", 2, "admin", ""),
        ("promoted", 1, "promoter", "too many false alarms"),
        ("fitted", 2, "trainer", ""),
        ("fitted", 1, "trainer", ""),
    ]
    assert found["entries"][-1]["sid"] == "1769846400.9"
    assert found["entries"][-1]["job"] in [job["id"] for job in service.jobs()]
    _, newest = ask(service, "GET", "/v1/history?limit=1", tokens["reader"])
    assert newest["entries"] == found["entries"][:1]
    assert ask(service, "GET", f"{model}/history", tokens["searcher"])[0] == 403
