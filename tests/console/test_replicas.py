"""Two replicas over one home: a session counts on both and ends on both; streams end at once at SIGTERM."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from dltk_runtime.server.console.session import COOKIE
from tests.conftest import write_notebook
from tests.console.test_pages import ADMIN, DATA, Browser
from tests.support.service import Service, until
from tests.support.wire import Gate

pytestmark = pytest.mark.process

WAITING = {
    "fit": """
        def fit(model, df, param):
            open("/srv/gate").read()
            return {}
    """
}


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    folder = tmp_path_factory.mktemp("replicas")
    (folder / "notebooks").mkdir()
    write_notebook(folder / "notebooks", "healthy")
    one, other = (Service(folder / "home", folder / "notebooks", DLTK_ADMIN_TOKEN=ADMIN) for _ in range(2))
    other.token = one.token
    with one, other:
        for rows in (DATA, DATA + "5,6\n"):
            assert one.fit("healthy", rows, "m")["status"] == "success"
        yield one, other


def same(cookie: str, service: Service) -> Browser:
    visitor = Browser(service)
    visitor.cookie = cookie
    return visitor


def test_a_session_of_one_replica_counts_on_the_other_and_so_do_its_forms(replicas: tuple[Service, Service]) -> None:
    here = Browser(replicas[0])
    assert here.sign_in() == 303
    there, path = same(here.cookie, replicas[1]), "/ui/models/healthy/m"
    form = here.form(path)
    assert form == there.form(path)
    fields = {"form": form, "reason": "on the other replica"}
    assert there.ask("POST", f"{path}/promote/1", fields)[0] == 303
    assert replicas[0].apply("healthy", "a,b\n1,2\n", "m")["results"] == "rows\n2\n", "the promotion counts here"
    assert "on the other replica" in here.get("/ui/history")


def test_a_sign_out_on_one_replica_ends_the_session_on_the_other(replicas: tuple[Service, Service]) -> None:
    here = Browser(replicas[0])
    assert here.sign_in() == 303
    there = same(here.cookie, replicas[1])
    there.get("/ui")
    cookie = here.cookie
    assert here.ask("POST", "/ui/sign-out", {"form": here.form()})[0] == 303
    for service in replicas:
        assert same(cookie, service).ask("GET", "/ui")[0] == 303


def test_each_replica_shows_its_own_calls_and_says_whose_they_are(replicas: tuple[Service, Service]) -> None:
    here, there = Browser(replicas[0]), Browser(replicas[1])
    assert (here.sign_in(), there.sign_in()) == (303, 303)
    answered = replicas[1].apply("healthy", "a,b\n7,8\n", "nowhere")
    assert answered["status"] == "error"
    until(lambda: "nowhere" in there.get("/ui/history"))
    assert "nowhere" not in here.get("/ui/history")
    assert "each replica has its own" in here.get("/ui/history")


def test_streams_end_at_once_at_sigterm_though_their_fit_goes_on(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks", "waiting", **WAITING)
    variables = {"DLTK_ADMIN_TOKEN": ADMIN, "DLTK_DRAIN": "600", "DLTK_GRACE": "600"}
    with Service(tmp_path / "home", tmp_path / "notebooks", **variables) as service:
        gate = Gate(service.home)
        fit = threading.Thread(target=service.fit, args=("waiting", DATA, "m"))
        fit.start()
        job = until(lambda: next((each["id"] for each in service.jobs() if each["state"] == "running"), None))
        visitor = Browser(service)
        assert visitor.sign_in() == 303
        with opened(visitor, f"/ui/jobs/{job}/live") as one, opened(visitor, "/ui/jobs-live") as other:
            assert all(each.readline().startswith(b"data: ") for each in (one, other))
            assert service.process is not None
            os.kill(service.process.pid, signal.SIGTERM)
            for each in (one, other):
                assert b"event: done" not in each.read(), "the end of the stream, not of the job"
        assert service.jobs()[-1]["state"] == "running"
        gate.open_for_one()
        fit.join()


def test_under_tls_the_cookie_is_never_sent_without_it(tmp_path: Path) -> None:
    write_notebook(tmp_path / "notebooks", "healthy")
    variables = {"DLTK_ADMIN_TOKEN": ADMIN, "ENABLE_HTTPS": "true"}
    with Service(tmp_path / "home", tmp_path / "notebooks", **variables) as service:
        address = urlsplit(service.url)
        assert address.scheme == "https"
        context = ssl._create_unverified_context()  # the certificate is one that the server has made itself
        client = http.client.HTTPSConnection(str(address.hostname), address.port, timeout=120, context=context)
        with contextlib.closing(client):
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            client.request("POST", "/ui/sign-in", urlencode({"token": ADMIN}), kind)
            with client.getresponse() as answer:
                answer.read()
    assert answer.status == 303
    parts = {part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")[1:]}
    assert parts >= {"secure", "httponly", "samesite=strict", "path=/"}


def test_without_tls_the_cookie_is_kept_too(replicas: tuple[Service, Service]) -> None:
    here = Browser(replicas[0])
    _, headers, _ = here.ask("POST", "/ui/sign-in", {"token": ADMIN, "person": ""})
    parts = {part.strip().lower() for part in headers["Set-Cookie"].split(";")[1:]}
    assert parts >= {"httponly", "samesite=strict"}
    assert "secure" not in parts


@contextlib.contextmanager
def opened(visitor: Browser, path: str) -> Iterator[http.client.HTTPResponse]:
    client = http.client.HTTPConnection(str(visitor.address.hostname), visitor.address.port, timeout=120)
    with contextlib.closing(client):
        client.request("GET", path, headers={"Cookie": f"{COOKIE}={visitor.cookie}"})
        with client.getresponse() as answer:
            yield answer
