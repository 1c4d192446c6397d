"""``dltk flow install``, ``upgrade`` and ``remove`` against a REST API that keeps objects by their paths."""

from __future__ import annotations

import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dltk_runtime.errors import SearchInvalid
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.generate import create
from dltk_runtime.flows.install import Installer, seed_search, things
from dltk_runtime.splunk.connection import Connection
from tests.flow_helpers import flow_of

MACRO = "/servicesNS/nobody/dltk_flow_x/configs/conf-macros/dltk_x_base"
SCORE = "/servicesNS/nobody/dltk_flow_x/configs/conf-savedsearches/dltk_x_score"
FEED = b'<feed xmlns="http://www.w3.org/2005/Atom"></feed>'


class Rest(ThreadingHTTPServer):
    """Objects by path: POST to a folder with a name makes one, POST to it changes it, DELETE removes it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, dict[str, str]] = {}

    def answer(self, method: str, path: str, form: dict[str, str]) -> int:
        folder_of_searches = path.replace("/saved/searches/", "/configs/conf-savedsearches/")
        if path.endswith("/acl"):
            known = folder_of_searches.removesuffix("/acl") in self.objects
            self.objects[path] = form
            return 200 if known else 404
        if method == "POST" and "name" in form:
            self.objects[f"{path}/{urllib.parse.quote(form['name'], safe='')}"] = form
            return 201
        if path not in self.objects:
            return 404
        if method == "POST":
            self.objects[path] |= form
        elif method == "DELETE":
            del self.objects[path]
        return 200


class _Handler(BaseHTTPRequestHandler):
    server: Rest

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        status = self.server.answer(self.command, self.path.partition("?")[0], form)
        self.send_response(status)
        self.send_header("Content-Length", str(len(FEED)))
        self.end_headers()
        self.wfile.write(FEED)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server asks for

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def rest() -> Iterator[Rest]:
    with Rest() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def installer(rest: Rest, tmp_path: Path) -> Installer:
    create(flow_of("feedback"), tmp_path)
    port = rest.server_address[1]
    connection = Connection("127.0.0.1", int(port), token="t", scheme="http", patience=1)
    return Installer(connection, find_apps(tmp_path)[0], SEARCHES.append, TOLD.append)


SEARCHES: list[str] = []
TOLD: list[str] = []


@pytest.fixture(autouse=True)
def forget() -> None:
    SEARCHES.clear()
    TOLD.clear()


def test_everything_is_made_with_owner_and_rights_and_searches_are_disabled(installer: Installer, rest: Rest) -> None:
    installer.install("svc")
    prefix = "/servicesNS/nobody/dltk_flow_x/"
    for thing in things(installer.app):
        assert f"{prefix}{thing.endpoint}/{urllib.parse.quote(thing.name, safe='')}" in rest.objects
    assert rest.objects[SCORE]["disabled"] == "1"
    assert rest.objects[f"{prefix}saved/searches/dltk_x_score/acl"] == {"owner": "svc", "sharing": "app"}
    rights = rest.objects[f"{prefix}configs/conf-collections/dltk_x_labels/acl"]
    assert rights["perms.write"] == "dltk_x_reviewer,admin,sc_admin"
    assert [search.partition("|")[2].split()[0] for search in SEARCHES] == ["makeresults"]
    assert [line for line in TOLD if line.startswith("by hand")]


def test_an_upgrade_keeps_what_people_changed(installer: Installer, rest: Rest) -> None:
    installer.install("svc")
    rest.objects[MACRO]["definition"] = "index=dns"
    rest.objects[SCORE] |= {"disabled": "0", "cron_schedule": "*/30 * * * *", "search": "old"}
    installer.install("svc")
    assert rest.objects[MACRO]["definition"] == "index=dns"
    assert (rest.objects[SCORE]["disabled"], rest.objects[SCORE]["cron_schedule"]) == ("0", "*/30 * * * *")
    assert rest.objects[SCORE]["search"].startswith("`dltk_x_base`")


def test_removal_leaves_collections_and_touches_no_index(installer: Installer, rest: Rest) -> None:
    installer.install("svc")
    installer.remove()
    left = [path for path in rest.objects if not path.endswith("/acl")]
    assert {path.split("/")[5] for path in left if "conf-" in path} == {"conf-collections"}
    assert not [path for path in rest.objects if "indexes" in path]
    assert "kept configs/conf-collections/dltk_x_labels" in TOLD


def test_a_seed_with_quotes_is_left_to_people() -> None:
    assert seed_search("a,b\n1,2\n", "x.csv") == '| makeresults format=csv data="a,b\n1,2" | outputlookup x.csv'
    with pytest.raises(SearchInvalid, match="upload it"):
        seed_search('a\n"x, y"\n', "x.csv")
