"""A Splunk for tests of ``dltk doctor``: an HTTPS server that answers each path with what a test puts there."""

from __future__ import annotations

import email.utils
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dltk_runtime import tls
from dltk_runtime.settings import Settings

Answers = dict[str, tuple[int, Any]]


class Standin:
    """Answers each path with what `answers` holds for it, over TLS."""

    def __init__(self, home: Path) -> None:
        self.answers: Answers = {}
        self.date = email.utils.formatdate(usegmt=True)
        self.asked: list[str] = []
        standin = self

        class Handler(BaseHTTPRequestHandler):
            def date_time_string(self, timestamp: float | None = None) -> str:
                return standin.date

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                standin.asked.append(path)
                status, answer = standin.answers.get(path, (404, {"messages": [{"text": "Not Found"}]}))
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_request(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("", 0), Handler)
        self.port = self._server.server_address[1]
        self.cert, key = tls.certificate(Settings(home=home))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def entry(self, path: str, *entries: dict[str, Any]) -> None:
        listed = [{"name": each.get("name"), "acl": each.pop("acl", {}), "content": each} for each in entries]
        self.answers[path] = (200, {"entry": listed})

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
