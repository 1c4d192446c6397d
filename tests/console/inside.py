"""A server's pages without a process: its application, asked in this one, over a home that the test writes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dltk_runtime.notebook.cells import Cell
from dltk_runtime.notebook.source import Source, pack
from dltk_runtime.paths import Paths
from dltk_runtime.server import splunk_routes
from dltk_runtime.server.admission import Admission, ConnectionBounds
from dltk_runtime.server.console.session import COOKIE, Sessions
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.service.service import Service
from dltk_runtime.service.wiring import build
from dltk_runtime.settings import Settings
from dltk_runtime.store.manifest import SourceHash
from dltk_runtime.store.store import Facts, ModelName, Version
from tests.conftest import write_notebook

API, ADMIN = "token-of-splunk-1234", "token-of-the-admin-1234"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class World:
    """The service of `paths` that was never started, and its application."""

    paths: Paths
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {"api_token": API, "admin_token": ADMIN, "home": self.paths.home, "notebooks": self.paths.notebooks}
        settings = Settings(**{**given, **self.settings})
        self.tokens = Tokens(settings)
        self.service: Service = build(settings, self.tokens.named)
        self.sessions = Sessions(self.tokens, settings.paths.signed_out)
        admission = Admission(ConnectionBounds.of(settings, 1024))
        self.app = splunk_routes.application(self.service, admission, self.tokens, self.sessions)
        self.service.store.attach()
        self.kept: list[Any] = []  # jobs that have not ended: the store itself keeps none of them

    def ask(self, path: str, token: str = ADMIN, **headers: str) -> Answer:
        """GET a path: of the pages signed in with `token`, of `/v1` with it in the header."""
        path, _, query = path.partition("?")
        sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        if path.startswith("/ui"):
            sent.append((b"cookie", f"{COOKIE}={self.sessions.begin(token)}".encode()))
        else:
            sent.append((b"authorization", f"Bearer {token}".encode()))
        return asyncio.run(_asked(self.app, path, query, sent))

    def get(self, path: str, token: str = ADMIN) -> str:
        found = self.ask(path, token)
        assert found.status == 200, (path, found.status, found.text)
        return found.text

    def notebook(self, name: str = "healthy") -> None:
        write_notebook(self.paths.notebooks, name)

    def commit(self, model: str = "healthy/m", code: str = "x = 1\n", **facts: Any) -> Version:
        """A version with that code, promoted."""
        name = ModelName(*model.split("/"))
        source = Source(name.algorithm, f"{name.algorithm}.ipynb", "", (Cell(1, "mltkc_fit", code),), str(hash(code)))
        known = {"sources": [SourceHash(source.name, source.path, source.sha256)], "rows": 10, **facts}
        with self.service.store.reserve(name) as reserved:
            Path(reserved.location.folder, f"{name.file}.json").write_text("{}")
            version = reserved.commit(Facts(**known), pack([source]), b'{"model": "m", "model_summary": null}')
        self.service.store.promote(version)
        return version

    def ended(self, model: str = "healthy/m") -> str:
        """The id of a job that has ended."""
        job = self.service.jobs.create(ModelName(*model.split("/")), {})
        job.start()
        job.fail("it failed", traceback="", coordinates="")
        return job.id


def made(folder: Path) -> Paths:
    """A home and a notebooks' folder below a folder."""
    paths = Paths(folder / "home", folder / "notebooks")
    for each in (paths.models, paths.graphics, paths.helpers, paths.staged):
        each.mkdir(parents=True)
    return paths


async def _asked(app: Any, path: str, query: str, headers: list[tuple[bytes, bytes]]) -> Answer:
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode()}
    scope |= {"query_string": query.encode(), "headers": headers, "http_version": "1.1", "scheme": "http"}
    scope |= {"server": ("h", 1), "client": ("c", 1)}

    received: list[bool] = []

    async def receive() -> dict[str, Any]:
        if received:
            await asyncio.Event().wait()  # a client that waits for its answer
        received.append(True)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, b"".join(each.get("body", b"") for each in sent[1:]))
