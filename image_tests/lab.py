"""Client of JupyterLab: log in, keep cookies, send the XSRF token."""

from __future__ import annotations

import hashlib
import http.cookiejar
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

PASSWORD = "a password of this test"


def password_hash() -> str:
    """Return the hash of `PASSWORD` in Jupyter's format."""
    salt = "c0ffee"
    return f"sha256:{salt}:{hashlib.sha256((PASSWORD + salt).encode()).hexdigest()}"


class Lab:
    """A session with the JupyterLab at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=ssl._create_unverified_context()),
            urllib.request.HTTPCookieProcessor(self._cookies),
        )

    def log_in(self, password: str = PASSWORD) -> int:
        """Log in; return the status of the page that follows."""
        self.status("/login")
        form = urllib.parse.urlencode({"password": password, "_xsrf": self._xsrf()}).encode()
        return self._send("/login?next=%2Flab", form)[0]

    def status(self, path: str) -> int:
        return self._send(path)[0]

    def get(self, path: str) -> str:
        return self._send(path)[1].decode()

    def ask(self, path: str, **body: Any) -> dict[str, Any]:
        """Send a JSON object; return the one that is answered, an empty one where none is."""
        status, answer = self._send(path, json.dumps(body).encode(), kind="application/json")
        return dict(json.loads(answer)) if status == 200 else {}

    def save(self, path: str, notebook: dict[str, Any]) -> int:
        """Save a notebook as JupyterLab does."""
        body = json.dumps({"type": "notebook", "format": "json", "content": notebook}).encode()
        return self._send(f"/api/contents/{path}", body, method="PUT")[0]

    def _xsrf(self) -> str:
        return next((cookie.value or "" for cookie in self._cookies if cookie.name == "_xsrf"), "")

    def _send(
        self, path: str, body: bytes | None = None, method: str | None = None, kind: str = ""
    ) -> tuple[int, bytes]:
        headers = {"X-XSRFToken": self._xsrf()} | ({"Content-Type": kind} if kind else {})
        request = urllib.request.Request(self._url + path, data=body, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""
