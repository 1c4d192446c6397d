"""The console in a real browser: with none, one and 200 models, on two replicas, on paper, and at a session's end."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.server.console.session import COOKIE, MAX_WRONG, SESSION_SECONDS, Sessions
from dltk_runtime.server.console.visible import seen as visible
from dltk_runtime.server.token_files import ADMIN_NAME, Tokens
from tests.conftest import write_notebook
from tests.console import crowd
from tests.console.browser import ADMIN, Browser
from tests.console.hostile import HOSTILE
from tests.console.test_browser import FOLDER, PYTHON, chromium
from tests.support.service import Service, until
from tests.support.wire import Gate

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]
__all__ = ["chromium"]

DATA = "a,b\n1,2\n3,4\n"
MODELS, JOBS = 200, 1000
PAGES = ("/ui", "/ui/jobs", "/ui/models", "/ui/drift", "/ui/history", "/ui/algorithms", "/ui/algorithms/healthy")
OF_MODEL = ("", "/try", "/drift", "/delete", "/versions/1/card")
MODEL = "/ui/models/healthy/m"
WAITING = """
    def fit(model, df, param):
        from dltk_runtime import progress
        progress(1, 2, loss=0.5)
        open("/srv/gate").read()
        progress(2, 2, loss=0.25)
        model["rows"] = len(df)
        return {}
"""
PRINTING = f"""
    def fit(model, df, param):
        for text in {HOSTILE!r}:
            print(text)
        raise ValueError("<b>bad</b> row")
"""


class Orders:
    """One browser, which does what it is told."""

    def __init__(self) -> None:
        command = [str(PYTHON), str(FOLDER / "browse_orders.py")]
        self._run = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._run.communicate(timeout=120)

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Give an order; return its answer."""
        assert self._run.stdin is not None
        assert self._run.stdout is not None
        self._run.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._run.stdin.flush()
        answer = json.loads(self._run.stdout.readline())
        assert "failure" not in answer, answer["failure"]
        return answer["found"]


@pytest.fixture(scope="module")
def order(chromium: None) -> Iterator[Orders]:
    with Orders() as orders:
        yield orders


@pytest.fixture(scope="module")
def replicas(chromium: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    """Two replicas over an empty home."""
    folder = tmp_path_factory.mktemp("crowd")
    write_notebook(folder / "notebooks", "healthy")
    variables = {"DLTK_ADMIN_TOKEN": ADMIN, "DLTK_KEEP_JOBS": str(2 * JOBS)}
    one, other = (Service(folder / "home", folder / "notebooks", **variables) for _ in range(2))
    other.token = one.token
    with one, other:
        yield one, other


@pytest.fixture(scope="module")
def none(order: Orders, replicas: tuple[Service, Service]) -> Any:
    """What the browser saw of the pages while there was no model."""
    return order("pages", replicas[0].url, ADMIN, PAGES)


@pytest.fixture(scope="module")
def one(none: Any, order: Orders, replicas: tuple[Service, Service]) -> Any:
    """What it saw when there was one."""
    assert none
    assert replicas[0].fit("healthy", DATA, "m")["status"] == "success"
    job = replicas[0].jobs()[-1]["id"]
    paths = [*PAGES, *(MODEL + each for each in OF_MODEL), f"/ui/jobs/{job}"]
    return order("pages", replicas[0].url, ADMIN, paths)


@pytest.fixture(scope="module")
def home(one: Any, replicas: tuple[Service, Service]) -> tuple[Service, Service]:
    """The replicas, whose model has two versions."""
    assert one
    assert replicas[0].fit("healthy", DATA + "5,6\n", "m")["status"] == "success"
    return replicas


@pytest.fixture(scope="module")
def fits(chromium: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server that fits one model at a time, with a model whose rows have drifted."""
    folder = tmp_path_factory.mktemp("fits")
    write_notebook(folder / "notebooks", "healthy")
    write_notebook(folder / "notebooks", "waiting", fit=WAITING)
    write_notebook(folder / "notebooks", "printing", fit=PRINTING)
    variables = {"DLTK_ADMIN_TOKEN": ADMIN, "DLTK_FIT_WORKERS": "1"}
    with Service(folder / "home", folder / "notebooks", **variables) as service:
        for shift, count, send in ((0, 300, service.fit), (900, 1200, service.apply)):
            rows = "a,b\n" + "".join(f"{number % 50 + shift},{number % 7}\n" for number in range(count))
            assert send("healthy", rows, "m")["status"] == "success"
        until(lambda: json.loads(service.send("/v1/drift", None))["judgements"])  # after the answer
        yield service


def assert_well(found: dict[str, Any]) -> None:
    """Nothing blocked, no error of the console, foreign request, nameless control, or page wider than its window."""
    assert (found["problems"], found["foreign"], found["nameless"]) == ([], [], [])
    assert {place: width for place, width in found["overflow"].items() if width > 0} == {}
    assert {path: status for path, status in found.get("statuses", {}).items() if status != 200} == {}


def test_each_page_without_a_model(none: Any) -> None:
    assert_well(none)


def test_each_page_with_one_model(one: Any) -> None:
    assert_well(one)


def test_a_promotion_in_the_page_changes_the_next_apply_on_each_replica(
    order: Orders, home: tuple[Service, Service]
) -> None:
    for service in home:
        assert service.apply("healthy", DATA, "m")["results"].splitlines()[1] == "3"
    found = order("promote", home[0].url, ADMIN, MODEL, 1)
    assert_well(found)
    assert "the better one" in found["history"]
    for service in home:
        assert service.apply("healthy", DATA, "m")["results"].splitlines()[1] == "2"


def test_a_promotion_and_its_roll_back_by_keyboard_alone(order: Orders, home: tuple[Service, Service]) -> None:
    visitor = Browser(home[0])
    assert visitor.sign_in() == 303
    visitor.ask("POST", f"{MODEL}/promote/1", {"form": visitor.form(MODEL), "reason": "to begin with"})
    found = order("keyboard", home[0].url, ADMIN, MODEL, 2, 1)
    assert_well(found)
    assert "by keyboard" in found["history"]
    assert "back by keyboard" in found["history"]


def test_a_session_counts_on_both_replicas_and_a_sign_out_in_one_tab_ends_it_in_the_other(
    order: Orders, home: tuple[Service, Service]
) -> None:
    found = order("end", home[0].url, home[1].url, ADMIN)
    assert_well(found)
    assert found["said"] == "The session has ended. Sign in again."
    assert found["places"] == ["/ui/jobs", *["/ui/sign-in?to=/ui/models"] * 2]


def test_a_cookie_counts_until_its_time_is_over(order: Orders, home: tuple[Service, Service]) -> None:
    tokens = cast(Tokens, SimpleNamespace(users=[home[0].token], admins=[ADMIN], named=()))
    begun = [time.time() - SESSION_SECONDS - 60, time.time()]
    made = [Sessions(tokens, Path("/nowhere"), lambda at=at: at)._cookie(ADMIN_NAME, "", "") for at in begun]
    cookies = [{"name": COOKIE, "value": each} for each in made]
    assert order("expired", home[0].url, cookies) == ["/ui/sign-in?to=/ui/jobs", "/ui/jobs"]


def test_a_control_without_a_name_is_found_and_what_the_policy_blocks_is_reported(
    order: Orders, home: tuple[Service, Service]
) -> None:
    found = order("planted", home[0].url, ADMIN)
    assert [each.partition(">")[0] for each in found["nameless"]] == ["<button", "<input", '<a href="/ui"']
    blocked = [each.split()[1] for each in found["problems"] if each.startswith("blocked: ")]
    assert blocked == ["img-src", "script-src-elem"]


def test_pages_are_printed_whole_in_light_colours_without_what_can_be_operated(
    order: Orders, home: tuple[Service, Service], tmp_path: Path
) -> None:
    job = home[0].jobs()[-1]["id"]
    paths = [*PAGES, *(MODEL + each for each in OF_MODEL), f"/ui/jobs/{job}", f"{MODEL}/compare?old=1&new=2"]
    found = order("paper", home[0].url, ADMIN, str(tmp_path), paths)
    assert_well(found)
    assert [path for path, parts in found["cut"].items() if parts] == []
    assert found["controls"] == []
    assert {tuple(each) for each in found["colours"]} == {("rgb(255, 255, 255)", "rgb(0, 0, 0)")}


@pytest.fixture(scope="module")
def many(home: tuple[Service, Service]) -> Service:
    """A replica whose home has many models and jobs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)  # no power fails here, and it takes most of the time
        crowd.fill(Paths(home[0].home, home[0].notebooks), MODELS - 1, JOBS)
    return home[0]


def test_each_page_with_200_models_and_1000_jobs(order: Orders, many: Service) -> None:
    assert len(json.loads(many.send("/v1/models", None))["models"]) == MODELS
    assert len(many.jobs()) > JOBS
    job = many.jobs()[-1]["id"]
    model = f"/ui/models/{crowd.ALGORITHM}/m7"
    found = order("pages", many.url, ADMIN, [*PAGES, *(model + each for each in OF_MODEL), f"/ui/jobs/{job}"])
    assert_well(found)


def test_wrong_tokens_slow_down_and_the_page_says_so(order: Orders, home: tuple[Service, Service]) -> None:
    found = order("guess", home[1].url, MAX_WRONG + 1)
    assert_well(found)
    assert found["said"][:MAX_WRONG] == ["This is not a token that is wanted here."] * MAX_WRONG
    assert found["said"][-1].startswith("Too many wrong tokens. Try again in ")


# ------------------------------------------------------------ fits


def job_of(service: Service, model: str, state: str) -> str | None:
    return next((each["id"] for each in service.jobs() if (each["model"], each["state"]) == (model, state)), None)


def test_a_fit_is_watched_from_the_queue_to_its_version_and_drawn_without_a_script(
    order: Orders, fits: Service
) -> None:
    gate = Gate(fits.home)
    fits.fit("waiting", DATA, "first", mode="async")
    until(lambda: job_of(fits, "first", "running"))
    fits.fit("waiting", DATA, "second", mode="async")
    job = until(lambda: job_of(fits, "second", "queued"))
    found = order("queue", fits.url, ADMIN, job, str(gate.path))
    assert_well(found)
    assert [each.split()[0].strip(",") for each in found["said"]] == ["queued", "running", "succeeded"]
    assert found["said"][0].startswith("queued at place 1")
    assert "Version 1 of model 'second' is now current." in found["live"]
    plain = order("scriptless", fits.url, ADMIN, ["/ui", "/ui/jobs", "/ui/drift", "/ui/history"], job)
    assert_well(plain)
    for path in ("/ui", "/ui/jobs", "/ui/history"):
        assert any("second" in row for row in plain["rows"][path]), path
    assert any("drifts" in row for row in plain["rows"]["/ui/drift"])
    assert [each.partition(":")[0] for each in plain["curves"]] == ["loss"]


def test_a_failed_fit_shows_its_line_and_hostile_lines_of_its_log_as_text(order: Orders, fits: Service) -> None:
    assert fits.fit("printing", DATA, "loud")["status"] == "error"
    found = order("failure", fits.url, ADMIN, job_of(fits, "loud", "failed"))
    assert_well(found)
    assert 'raise ValueError("<b>bad</b> row")' in found["marked"]
    assert found["log"].splitlines()[: len(HOSTILE)] == [visible(text) for text in HOSTILE]
    assert found["strange"] == 0
