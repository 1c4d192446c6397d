"""Small applies of a row-wise notebook, joined while its worker is busy: each gets the answer it would get alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import MakeNotebook
from tests.support.service import Service, until
from tests.support.wire import Gate

pytestmark = [pytest.mark.process, pytest.mark.server(own=True)]
ROWS = "x,name\n" + "".join(f"{number},n{number}\n" for number in range(40))
IMPORTS = """
    import json, os
    import pandas as pd
    MODEL_DIRECTORY = "/srv/app/model/data/"
    row_wise = True
"""
APPLY = """
    def apply(model, df, param):
        with open("/srv/calls", "a") as file:
            file.write(f"{len(df)}\\n")
        if (df["x"] == -1).any():
            open("/srv/gate").read()
        if (df["x"] == -2).any():
            raise ValueError("minus two")
        if (df["x"] == -3).any():
            os.kill(os.getpid(), 9)
        return pd.DataFrame({"y": df["x"] * 2, "name": df["name"]})
"""


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def row(x: object, name: str = "a") -> str:
    return f"x,name\n{x},{name}\n"


def waiting(service: Service) -> int:
    found = re.search(
        r'^dltk_requests_waiting\{route="/apply"\} (\d+)', service.send("/metrics", None).decode(), re.MULTILINE
    )
    assert found
    return int(found[1])


class Crowd:
    """Requests that wait for a worker which is held at the gate."""

    def __init__(self, service: Service, pool: ThreadPoolExecutor) -> None:
        self.service, self.pool = service, pool
        self.gate = Gate(service.home)
        self.first = pool.submit(service.apply, "algo", row(-1))
        self._held = self.gate.wait_for_one()
        self.calls = service.home / "calls"
        self.calls.write_text("")

    def send(self, *requests: str, **params: str) -> list[Future[dict[str, Any]]]:
        """Send requests one after another, so that each waits before the next one comes."""
        sent = list[Future[dict[str, Any]]]()
        for data in requests:
            before = waiting(self.service)
            sent.append(self.pool.submit(self.service.apply, "algo", data, **params))
            until(lambda before=before: waiting(self.service) == before + 1)
        return sent

    def pass_gate(self) -> None:
        """Let the worker go on."""
        os.close(self._held)

    @property
    def rows_of_calls(self) -> list[int]:
        return [int(line) for line in self.calls.read_text().split()]


@pytest.fixture
def crowd(service: Service, make_notebook: MakeNotebook, pool: ThreadPoolExecutor) -> Crowd:
    make_notebook("algo", **{"import": IMPORTS, "apply": APPLY})
    assert service.fit("algo", ROWS)["status"] == "success"
    assert service.apply("algo", row(1))["results"] == "y,name\n2,a\n"
    return Crowd(service, pool)


def test_requests_that_waited_are_one_call_with_an_answer_for_each(crowd: Crowd) -> None:
    sent = crowd.send(row(1), row(2, '"b, c"'), "x,name\n3,c\n4,d\n")
    crowd.pass_gate()
    assert [each.result()["results"] for each in sent] == ["y,name\n2,a\n", 'y,name\n4,"b, c"\n', "y,name\n6,c\n8,d\n"]
    assert crowd.first.result()["results"] == "y,name\n-2,a\n"
    assert crowd.rows_of_calls == [4]
    # The log's lines follow the answers.
    until(lambda: [each["together"] for each in crowd.service.events() if "together" in each] == [3, 3, 3])


def test_each_gets_its_own_warnings_and_error(crowd: Crowd) -> None:
    sent = crowd.send(row(1), row(-2), row(2.5), "x,name\nword,b\n", row(3))
    crowd.pass_gate()
    answers = [each.result() for each in sent]
    assert [each["status"] for each in answers] == ["success", "error", "success", "success", "success"]
    assert [each["results"] for each in (answers[0], *answers[2:])] == [
        "y,name\n2,a\n",
        "y,name\n5.0,a\n",
        "y,name\nwordword,b\n",
        "y,name\n6,a\n",
    ]
    assert "ValueError: minus two" in answers[1]["message"]
    assert "'x' holds texts" in answers[3]["message"]
    assert not any("holds" in answers[number]["message"] for number in (0, 2, 4))


def test_rows_that_end_the_worker_cost_no_other_request_its_answer(crowd: Crowd) -> None:
    sent = crowd.send(row(1), row(-3), row(2))
    crowd.pass_gate()
    first, ending, last = (each.result() for each in sent)
    assert (first["results"], last["results"]) == ("y,name\n2,a\n", "y,name\n4,a\n")
    assert ending["status"] == "error"
    assert "was killed (SIGKILL)" in ending["message"]


def test_other_parameters_are_another_call(crowd: Crowd) -> None:
    sent = [*crowd.send(row(1)), *crowd.send(row(2), with_version="true"), *crowd.send(row(3))]
    crowd.pass_gate()
    assert [each.result()["results"] for each in sent] == [
        "y,name\n2,a\n",
        "y,name,model_version\n4,a,1\n",
        "y,name\n6,a\n",
    ]
    assert sorted(crowd.rows_of_calls) == [1, 2]


def test_a_notebook_edited_meanwhile_is_asked_anew(crowd: Crowd, make_notebook: MakeNotebook) -> None:
    sent = crowd.send(row(1), row(2))
    plain = IMPORTS.replace("row_wise = True", "")
    make_notebook("algo", **{"import": plain, "apply": APPLY.replace("* 2", "* 3")})
    crowd.pass_gate()
    assert [each.result()["results"] for each in sent] == ["y,name\n3,a\n", "y,name\n6,a\n"]
    assert crowd.rows_of_calls == [1, 1]


@pytest.mark.parametrize(
    ("imports", "apply", "said"),
    [
        (IMPORTS, APPLY.replace('df["x"] * 2', 'df["x"].cumsum()'), "column 'y' has other values"),
        (IMPORTS.replace("True", "False"), APPLY, ""),
    ],
    ids=["that depends on other rows", "that says nothing"],
)
def test_a_notebook_is_not_joined(
    service: Service, make_notebook: MakeNotebook, pool: ThreadPoolExecutor, imports: str, apply: str, said: str
) -> None:
    make_notebook("algo", **{"import": imports, "apply": apply})
    message = service.fit("algo", ROWS)["message"]
    assert ("small applies are not joined although" in message) == bool(said)
    assert said in message
    service.apply("algo", row(1))
    crowd = Crowd(service, pool)
    sent = crowd.send(row(1), row(2))
    crowd.pass_gate()
    assert all(each.result()["status"] == "success" for each in sent)
    assert crowd.rows_of_calls == [1, 1]
