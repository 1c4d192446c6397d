"""A server's limits: sizes, queues, and clients that leave; each refusal arrives and names its setting."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import write_notebook
from tests.support.service import Service, until
from tests.support.wire import GATED, GATED_FIT, Gate, encoded, one_event, post, refused, send_and_keep

pytestmark = pytest.mark.process

MIB = 1024**2
DATA = "a,b\n1,2\n"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server that takes little: 1 MiB a request, one worker of each kind, one waiting request."""
    root = tmp_path_factory.mktemp("narrow")
    write_notebook(root / "notebooks", "healthy")
    write_notebook(root / "notebooks", "gated", **GATED)
    write_notebook(root / "notebooks", "gated_fit", **GATED_FIT)
    little = {"DLTK_MAX_BODY": "1M", "DLTK_APPLY_WORKERS": "1", "DLTK_FIT_WORKERS": "1", "DLTK_MAX_WAITING": "1"}
    with Service(root / "home", root / "notebooks", **little) as running:
        assert running.fit("healthy", DATA)["status"] == "success"
        yield running


@pytest.fixture(autouse=True)
def _a_healthy_request_works_right_after(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    running: Service = request.getfixturevalue("narrow")
    assert running.apply("healthy", DATA)["status"] == "success"


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize("path", ["/fit", "/apply"])
@pytest.mark.parametrize("size", [MIB + 1, 3 * MIB, 60 * MIB])
def test_a_body_over_the_limit_gets_an_answer_that_names_the_setting(narrow: Service, path: str, size: int) -> None:
    message = refused(narrow, b"x" * size, path)
    assert "larger than the limit of 1,048,576 bytes" in message
    assert "DLTK_MAX_BODY" in message


def test_a_body_just_within_the_limit_is_read(narrow: Service) -> None:
    body = encoded(DATA, "healthy")
    assert post(narrow, body + b" " * (MIB - len(body)), "/apply")["status"] == "success"
    refused(narrow, body + b" " * (MIB - len(body) + 1), "/apply")


def test_a_wrong_token_with_a_body_over_the_limit_is_401_and_no_reset(narrow: Service) -> None:
    assert narrow.status_of("/fit", b"x" * 50 * MIB, token="wrong") == 401


def test_what_is_refused_is_not_kept_in_memory(narrow: Service) -> None:
    import psutil

    assert narrow.process is not None
    front = psutil.Process(narrow.process.pid)
    before = front.memory_info().rss
    refused(narrow, b"x" * 200 * MIB)
    assert front.memory_info().rss - before < 30 * MIB


# ---------------------------------------------------------------- clients that leave


def fit_gated(service: Service, gate: Gate, model: str) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        fit = pool.submit(service.fit, "gated", DATA, model)
        gate.open_for_one()
        assert fit.result()["status"] == "success"


@pytest.fixture
def gate(narrow: Service) -> Iterator[Gate]:
    made = Gate(narrow.home)
    yield made
    made.path.unlink()


def hung_up(service: Service) -> int:
    return sum(event.get("outcome") == "the client hung up" for event in service.events())


def jobs_of(service: Service, model: str) -> list[dict[str, Any]]:
    return [job for job in service.jobs() if job["model"] == model]


def test_a_request_whose_client_hangs_up_while_it_waits_is_dropped(narrow: Service, gate: Gate) -> None:
    fit_gated(narrow, gate, "waits")
    before = hung_up(narrow)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(narrow.apply, "gated", DATA, "waits")
        held = gate.wait_for_one()
        send_and_keep(narrow, "/apply", encoded(DATA, "gated", "waits")).close()
        until(lambda: hung_up(narrow) > before)
        third = pool.submit(narrow.apply, "gated", "a,b\n3,4\n", "waits")
        os.close(held)
        assert first.result()["results"] == DATA
        gate.open_for_one()  # for the third: had the second come here, it would have passed in its place
        assert third.result()["results"] == "a,b\n3,4\n"


def test_a_fit_whose_client_hangs_up_while_it_waits_is_dropped(narrow: Service, gate: Gate) -> None:
    before = hung_up(narrow)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(narrow.fit, "gated_fit", DATA, "first")
        held = gate.wait_for_one()
        client = send_and_keep(narrow, "/fit", encoded(DATA, "healthy", "dropped"))
        until(lambda: jobs_of(narrow, "dropped"))  # a client that leaves earlier leaves no record
        client.close()
        until(lambda: hung_up(narrow) > before)
        os.close(held)
        assert first.result()["status"] == "success"
    assert not (narrow.home / "app/model/data/versions/healthy/dropped").exists()
    (job,) = jobs_of(narrow, "dropped")
    assert job["state"] == "cancelled"


def test_a_fit_whose_client_hangs_up_while_it_runs_ends_normally_and_is_committed(narrow: Service, gate: Gate) -> None:
    sock = send_and_keep(narrow, "/fit", encoded(DATA, "gated_fit", "left"))
    held = gate.wait_for_one()
    sock.close()
    os.close(held)
    event = one_event(narrow, event="/fit", model="left")
    assert (event["outcome"], event["version"], event["promoted"]) == ("success", 1, True)
    assert narrow.jobs()[-1]["state"] == "succeeded"


def test_an_apply_whose_client_hangs_up_while_it_runs_ends_normally(narrow: Service, gate: Gate) -> None:
    fit_gated(narrow, gate, "left_apply")
    sock = send_and_keep(narrow, "/apply", encoded(DATA, "gated", "left_apply"))
    held = gate.wait_for_one()
    (worker,) = until(lambda: [pid for pid in narrow.workers() if gate.is_read_by(pid)])
    sock.close()
    os.close(held)
    assert one_event(narrow, event="/apply", model="left_apply")["outcome"] == "success"
    assert worker in narrow.workers(), "the worker that did nothing wrong goes on"


def test_a_client_that_hangs_up_while_a_worker_starts_leaves_no_worker_behind(narrow: Service) -> None:
    until(lambda: len(narrow.workers()) <= 2)
    for _ in range(5):
        send_and_keep(narrow, "/apply", encoded(DATA, "healthy", "m")).close()
        send_and_keep(narrow, "/fit", encoded(DATA, "healthy", "m", mode="stage")).close()
        send_and_keep(narrow, "/fit", encoded(DATA, "healthy", "quick")).close()
    until(lambda: narrow.apply("healthy", DATA)["status"] == "success")
    until(lambda: len(narrow.workers()) <= 2)  # one that serves, one spare


# ---------------------------------------------------------------- queues


def test_a_full_queue_of_applies_is_refused_with_the_name_of_the_setting(narrow: Service, gate: Gate) -> None:
    fit_gated(narrow, gate, "queue")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(narrow.apply, "gated", DATA, "queue")
        held = gate.wait_for_one()
        rest = [pool.submit(narrow.apply, "gated", DATA, "queue") for _ in range(3)]
        finished = concurrent.futures.as_completed(rest, timeout=60)
        done = [next(finished), next(finished)]
        for each in done:
            message = each.result()["message"]
            assert message.startswith("/apply: ERROR: unable to apply model. 1 requests already wait for 'gated'.")
            assert "DLTK_MAX_WAITING" in message
        os.close(held)
        assert first.result()["status"] == "success"
        gate.open_for_one()
        assert next(finished).result()["status"] == "success"


def test_a_full_queue_of_fits_is_refused_with_the_name_of_the_setting(narrow: Service, gate: Gate) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(narrow.fit, "gated_fit", DATA, "queue_fit")
        held = gate.wait_for_one()
        rest = [pool.submit(narrow.fit, "healthy", DATA, "queue_fit") for _ in range(3)]
        finished = concurrent.futures.as_completed(rest, timeout=60)
        done = [next(finished), next(finished)]
        for each in done:
            assert each.result()["message"].startswith(
                "/fit: ERROR: unable to fit model. 1 requests already wait for a fit of"
            )
            assert "DLTK_MAX_WAITING" in each.result()["message"]
        os.close(held)
        assert first.result()["status"] == "success"
        assert next(finished).result()["status"] == "success"
