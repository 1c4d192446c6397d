"""`Splunkd`: two HTTP servers over one storage."""

from __future__ import annotations

import contextlib
import inspect
import re
import secrets
import ssl
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.standin import IndexedEvent, NotEmulated, Row, RunSearch, Storage, Window
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.transport import Tls
from tests.splunkd import kv, objects, people, toolkit
from tests.splunkd.answers import Answer, Entry, Refusal, Request, Rights, decoded, feed, in_json
from tests.splunkd.collector import Collector, HecToken
from tests.splunkd.faults import Faults
from tests.splunkd.objects import APPS, App
from tests.splunkd.searches import Searches

Answering = Callable[[Request], Answer]
_PROMPT = re.compile(r"server/|search/(v2/)?jobs(?!/export)")  # what a slow Splunk answers at once


def nothing_runs(search: str, window: Window, now: float) -> Iterable[Row]:
    """The `RunSearch` of a stand-in that was given none: it knows ``| makeresults`` with ``count``."""
    words = search.split()
    if words[:2] != ["|", "makeresults"]:
        raise SearchInvalid(f"Unknown search command '{words[min(1, len(words) - 1)]}'.")
    count = next((int(word.partition("=")[2]) for word in words if word.startswith("count=")), 1)
    return ({"_time": str(int(now))} for _ in range(count))


class Splunkd:
    """A running stand-in on 127.0.0.1; `token` is an authentication token, `admin` / `changeme` may log in.

    >>> with Splunkd(run_search) as splunkd:
    ...     search("index=main", connection=splunkd.connection())
    """

    def __init__(
        self,
        run_search: RunSearch = nothing_runs,
        storage: Storage | None = None,
        *,
        app: str = "search",
        version: str = "9.4.0",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.run_search = run_search
        self.storage = storage or Storage()
        self.app, self.version, self.certificate = app, version, certificate
        self.token = secrets.token_hex(16)
        self.sessions = {self.token}  # what may ask; a test takes the token out and it has expired
        self.users = ["admin"]
        self.roles = {"admin": ["admin"]}  # by user
        self.head = people.Head()
        self.toolkit = toolkit.Toolkit()
        self.faults = Faults()
        self.searches = Searches(self)
        self.collector = Collector(self, {secrets.token_hex(16): HecToken()})
        self.requests: list[tuple[str, str]] = []  # method and path, in order
        self._servers: list[ThreadingHTTPServer] = []
        self.apps = {app: App(app, self.storage.kvstore)}
        self.system = App("system")
        self.system.folders[APPS][app] = {}

    def __enter__(self) -> Self:
        self._servers = [self._serve(self._answer), self._serve(self._collect)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def now(self) -> float:
        return time.time()

    @property
    def scheme(self) -> str:
        return "https" if self.certificate else "http"

    @property
    def port(self) -> int:
        return int(self._servers[0].server_address[1])

    @property
    def hec_url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self._servers[1].server_address[1]}"

    @property
    def hec_token(self) -> str:
        return next(iter(self.collector.tokens))

    def connection(self, patience: float = 5.0, **changes: Any) -> Connection:
        """A connection of ours to it."""
        given: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "token": self.token, "scheme": self.scheme}
        return Connection(**(given | {"app": self.app, "tls": self.tls, "patience": patience} | changes))

    @property
    def variables(self) -> dict[str, str]:
        """What a person puts into the environment to name it; it must have a certificate."""
        return {
            "splunk_access_enabled": "1",
            "splunk_access_host": "127.0.0.1",
            "splunk_access_port": str(self.port),
            "splunk_access_token": self.token,
            "splunk_hec_enabled": "1",
            "splunk_hec_url": self.hec_url,
            "splunk_hec_token": self.hec_token,
            "DLTK_SPLUNK_CAFILE": str(self.tls.cafile),
        }

    @property
    def tls(self) -> Tls:
        return Tls(cafile=self.certificate[0]) if self.certificate else Tls()

    # ------------------------------------------------------------ answers

    def _answer(self, request: Request) -> Answer:
        if request.path == "auth/login":
            return self._login(request)
        self._check_token(request)
        app = self._app_of(request)
        if request.path == toolkit.UPLOAD:
            return self.toolkit.upload(request)
        if told := people.answer(request, self) or objects.everywhere(request, self.apps.values()):
            return told
        if objects.of_rights(request):
            return objects.answer(request, app)
        match request.path.split("/")[0]:
            case "search":
                return self.searches.answer(request)
            case "saved" if request.path.startswith("saved/searches"):
                return self.searches.answer_saved(request, app)
            case "storage" if request.path.startswith("storage/collections"):
                return kv.answer(request, app.kvstore)
        return self._data(request, app)

    def _app_of(self, request: Request) -> App:
        """The app whose objects are asked for; apps themselves are objects of the system."""
        if request.path.startswith(APPS):
            return self.system
        name = self.app if request.app in ("", "-", "system") else request.app
        if name not in self.system.folders[APPS]:
            raise Refusal(404, f"Application does not exist: {name}")
        return self.apps.setdefault(name, App(name))

    def _data(self, request: Request, app: App) -> Answer:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["server", "info"]:
                content = {"version": self.version, "instance_type": "download", "serverName": "standin"}
                content |= {"numberOfCores": self.head.cores, "numberOfVirtualCores": self.head.cores}
                return feed(request, [Entry("server-info", content, "server/info", "system", Rights("system"))])
            case "GET", ["data", "indexes", *name]:
                return self._indexes(request, *name)
            case "POST", ["data", "indexes"]:
                self.storage.indexes.create(request.params["name"], request.params.get("datatype", "event"))
                return self._indexes(request, request.params["name"], status=201)
            case "GET", ["data", "lookup-table-files", *name]:
                return self._lookups(request, app, *name)
            case "POST", ["receivers", "simple"]:
                return self._receive(request)
            case _, ["apps" | "configs" | "data", *_]:
                return objects.answer(request, app)
        raise NotEmulated(f"{request.method} {request.path}")

    def _lookups(self, request: Request, app: App, name: str = "") -> Answer:
        name, names = decoded(name), self.storage.lookups.names()
        if name and name not in names:
            raise Refusal(404, f"Could not find object id={name}")
        return feed(request, [app.entry("data/lookup-table-files", each) for each in ([name] if name else names)])

    def _indexes(self, request: Request, name: str = "", status: int = 200) -> Answer:
        name = decoded(name)
        if name and name not in self.storage.indexes:
            raise Refusal(404, f"Could not find object id={name}")
        shown = [self.storage.indexes[name]] if name else list(self.storage.indexes)
        entries = [
            Entry(
                each.name,
                {"totalEventCount": len(each), "datatype": each.datatype, "disabled": each.name in self.head.closed},
                f"data/indexes/{each.name}",
            )
            for each in shown
        ]
        return feed(request, entries, status)

    def _receive(self, request: Request) -> Answer:
        name = request.params.get("index", "main")
        if name not in self.storage.indexes:
            raise Refusal(400, f"supplied index '{name}' missing")
        raw, now = request.body.decode(), self.now()
        source, kind = request.params.get("source", "www"), request.params.get("sourcetype", "web_event")
        self.storage.indexes[name].add(IndexedEvent(now, now, {}, raw, "127.0.0.1", source, kind))
        return Answer(body=b"<response/>")

    def _login(self, request: Request) -> Answer:
        if (request.params.get("username"), request.params.get("password")) != ("admin", "changeme"):
            raise Refusal(401, "Login failed", "WARN")
        key = secrets.token_hex(16)
        self.sessions.add(key)
        if request.wants_json:
            return in_json({"sessionKey": key})
        return Answer(body=f"<response><sessionKey>{key}</sessionKey></response>".encode())

    def _check_token(self, request: Request) -> None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme not in ("Splunk", "Bearer") or value not in self.sessions:
            raise Refusal(401, "call not properly authenticated", "WARN")

    def _collect(self, request: Request) -> Answer:
        if not request.path.startswith("collector"):
            raise Refusal(404, "The requested URL was not found on this server.")
        return self.collector.answer(request)

    # ------------------------------------------------------------ HTTP

    def _serve(self, answering: Answering) -> ThreadingHTTPServer:
        handler = type("Handler", (_Handler,), {"splunkd": self, "answering": staticmethod(answering)})
        server = _Server(("127.0.0.1", 0), handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or refuses our certificate, is no fault of the stand-in."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    splunkd: Splunkd
    answering: Answering

    def _handle(self) -> None:
        self.close_connection = True
        faults = self.splunkd.faults
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if faults.due("down"):
            return
        request = _request(self.command, self.path, dict(self.headers), body)
        self.splunkd.requests.append((self.command, request.path))
        if faults.slow is not None and not _PROMPT.match(request.path):
            faults.slow.wait(20)
        answer = self._answered(request)
        if not faults.due("lost"):
            try:
                self._send(answer)
            except (ConnectionError, ssl.SSLError):
                if not isinstance(answer.body, bytes) and inspect.getgeneratorstate(answer.body) == inspect.GEN_CREATED:
                    self.splunkd.searches.abandoned += 1  # before its first row

    def _answered(self, request: Request) -> Answer:
        if self.splunkd.faults.due("busy"):
            return Refusal(503, "The server is too busy.").answer(request)
        try:
            return self.answering(request)
        except Refusal as refusal:
            return refusal.answer(request)
        except NotEmulated as error:
            return Refusal(501, error.sentence).answer(request)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes):
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.closing(answer.body) as pieces:
            for piece in pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - names that http.server looks for

    def log_message(self, *_: Any) -> None:
        """Say nothing: tests look at `Splunkd.requests`."""


def _request(method: str, target: str, headers: dict[str, str], body: bytes) -> Request:
    parts = urllib.parse.urlsplit(target)
    params = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    if headers.get("Content-Type", "application/x-www-form-urlencoded").startswith("application/x-www-form"):
        params |= dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    path = parts.path.strip("/")  # as it came: a name may hold an encoded slash
    if path.startswith("servicesNS/"):
        _, owner, app, path = (*path.split("/", 3), "")[:4]
    else:
        owner, app, path = "", "", path.removeprefix("services").strip("/")
    return Request(method, path, owner, app, params, headers, body)
