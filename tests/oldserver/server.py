"""The process of the stand-in: ``python -m tests.oldserver.server HOME [CERTIFICATE KEY]``.

One request at a time, as `facts` says, by the standard library's own server. It imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import ssl
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

APP = "Splunk App for Data Science and Deep Learning"
Reply = dict[str, Any]


class Failed(Exception):
    """A step failed; the text is its opening."""


class Container:
    """What the process knows: its folders, and the one model in memory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.staged = home / "notebooks" / "data"
        self.graphics = home / "app" / "graphics"
        self.model: Any = None
        self.name = ""  # of the model in memory
        self.module: ModuleType | None = None
        for folder in (self.staged, self.graphics, home / "app" / "model" / "data"):
            folder.mkdir(parents=True, exist_ok=True)
        sys.path.insert(0, str(home))
        sys.dont_write_bytecode = True

    def fit(self, frame: pd.DataFrame, meta: dict[str, Any]) -> Reply:
        algorithm, name = named(meta)
        if meta["options"]["params"].get("mode") in ("stage", '"stage"'):
            return self.stage(frame, meta)
        module = self.load_module(algorithm)
        step("unable to initialize module", module.summary)
        model = step("unable to initialize module", module.init, frame, meta)
        step("unable to initialize module", module.summary, model)
        step("unable to fit model", module.fit, model, frame, meta)
        step("unable to save model", module.save, model, name)
        self.model, self.name, self.module = model, name, module
        return success("/fit", step("unable to apply model", module.apply, model, frame, meta))

    def apply(self, frame: pd.DataFrame, meta: dict[str, Any]) -> Reply:
        algorithm, name = named(meta)
        module = self.load_module(algorithm)
        if self.name != name:
            self.model, self.name = step("unable to apply model", module.load, name), name
        self.module = module
        return success("/apply", step("unable to apply model", module.apply, self.model, frame, meta))

    def stage(self, frame: pd.DataFrame, meta: dict[str, Any]) -> Reply:
        path = self.staged / f"{meta['options'].get('model_name', 'default')}.csv"
        step("unable to stage dataframe", frame.to_csv, path, index=False)
        path.with_suffix(".json").write_text(json.dumps(meta))
        text = f"Model data staged successfully in {path} - no model was built yet."
        return {"status": "staged", "message": text}

    def load_module(self, algorithm: str) -> ModuleType:
        return step("unable to load algo code from module", importlib.import_module, f"app.model.{algorithm}")

    def summary(self) -> str:
        shown = "no model exists" if self.module is None else str(self.model)
        told = self.module.summary(self.model) if self.module is not None else None
        fields = {"app": APP, "version": "5.2.4", "model": shown, "token": "valid", "model_summary": told}
        return json.dumps(json.dumps(fields, default=str))


def named(meta: dict[str, Any]) -> tuple[str, str]:
    """The algorithm, and the name that its model is saved under."""
    options = meta["options"]
    algorithm = str(options["params"]["algo"]).strip('"')
    return algorithm, f"{algorithm}_{options.get('model_name') or 'default'}"


def step(opening: str, function: Callable[..., Any], *arguments: Any, **named_arguments: Any) -> Any:
    try:
        return function(*arguments, **named_arguments)
    except Exception as error:
        raise Failed(f"{opening}. Ended with exception: {str(error)!r}") from error


def success(route: str, result: Any) -> Reply:
    results = pd.DataFrame(result).to_csv(index=False)
    return {"status": "success", "message": f"{route} done successfully", "results": results}


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    container: Container
    token: str

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/compute":
            self.send(410, json.dumps({"detail": "Gone"}))
        elif not self.allowed():
            self.refuse()
        elif self.path in ("/fit", "/apply"):
            self.send(200, json.dumps(self.answer(body)))
        else:
            self.send(404, json.dumps({"detail": "Not Found"}))

    def do_GET(self) -> None:
        if self.path.startswith("/graphics/"):
            self.picture(self.path.removeprefix("/graphics/"))
        elif not self.allowed():
            self.refuse()
        elif self.path in ("/", "/summary"):
            self.send(200, self.container.summary())
        else:
            self.send(404, json.dumps({"detail": "Not Found"}))

    def answer(self, body: bytes) -> Reply:
        try:
            sent = step("unable to parse json from POST data", json.loads, body)
            data, meta = sent["data"], sent["meta"]
            frame = step("unable to convert raw data to pandas dataframe", pd.read_csv, io.StringIO(data))
            run = self.container.fit if self.path == "/fit" else self.container.apply
            return run(frame, meta)
        except (Failed, KeyError) as error:
            text = str(error) if isinstance(error, Failed) else f"unable to parse json from POST data. {error}"
            return {"status": "error", "message": f"{self.path}: ERROR: {text}"}

    def picture(self, name: str) -> None:
        path = self.container.graphics / name
        if path.is_file():
            self.send(200, path.read_bytes(), "image/png")
        else:
            self.send(404, json.dumps({"detail": "Not Found"}))

    def allowed(self) -> bool:
        given = self.headers.get("Authorization", "")
        return given in (self.token, f"Bearer {self.token}", f"Splunk {self.token}")

    def refuse(self) -> None:
        self.send(401, json.dumps({"detail": "Invalid token"}), headers={"WWW-Authenticate": "Bearer"})

    def send(
        self, status: int, body: str | bytes, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        with contextlib.suppress(OSError):  # the client is gone; the model is there all the same
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Write no log."""


def main(home: str, certificate: str = "", key: str = "", port: str = "0") -> None:
    Handler.container = Container(Path(home))
    Handler.token = os.environ["api_token"]  # noqa: SIM112 - the container's own name
    server = HTTPServer(("127.0.0.1", int(port)), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    sys.stdout.write(f"listening on {server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
