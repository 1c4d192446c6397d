"""A client of the console over HTTP that keeps its cookie, as a browser does."""

from __future__ import annotations

import http.client
import re
from urllib.parse import urlencode, urlsplit

from dltk_runtime.server.console.session import COOKIE
from tests.support.service import Service

ADMIN = "token-of-the-admin-1234"


class Browser:
    """A client that keeps its cookie; it calls from the address `source`."""

    def __init__(self, service: Service, source: str = "") -> None:
        self.source = source
        self.address = urlsplit(service.url)
        self.cookie = ""

    def ask(
        self,
        method: str,
        path: str,
        fields: dict[str, str] | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, http.client.HTTPMessage, str]:
        source = (self.source, 0) if self.source else None
        host = self.address.hostname or ""
        client = http.client.HTTPConnection(host, self.address.port, timeout=60, source_address=source)
        sent = {"Accept": "text/html", **(headers or {})}
        if self.cookie:
            sent["Cookie"] = f"{COOKIE}={self.cookie}"
        body = fields if isinstance(fields, bytes) else None
        if isinstance(fields, dict):
            body, sent["Content-Type"] = urlencode(fields), "application/x-www-form-urlencoded"
        try:
            client.request(method, path, body, sent)
            answer = client.getresponse()
            text = answer.read().decode()
        finally:
            client.close()
        if found := re.match(rf"{COOKIE}=([^;]*)", answer.headers.get("Set-Cookie", "")):
            self.cookie = found[1].strip('"')
        return answer.status, answer.headers, text

    def send_file(self, path: str, fields: dict[str, str], files: dict[str, tuple[str, bytes]]) -> tuple[int, str]:
        """Send a form with files, by name: the file's name and content."""
        parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
        parts += [(f'name="{name}"; filename="{file}"', content) for name, (file, content) in files.items()]
        head = b"--limit\r\nContent-Disposition: form-data; "
        body = b"".join(head + about.encode() + b"\r\n\r\n" + value + b"\r\n" for about, value in parts)
        kind = "multipart/form-data; boundary=limit"
        status, _, text = self.ask("POST", path, body + b"--limit--\r\n", {"Content-Type": kind})
        return status, text

    def get(self, path: str) -> str:
        status, _, text = self.ask("GET", path)
        assert status == 200, (path, status, text)
        return text

    def sign_in(self, token: str = ADMIN, person: str = "") -> int:
        return self.ask("POST", "/ui/sign-in", {"token": token, "person": person})[0]

    def form(self, path: str = "/ui") -> str:
        found = re.search(r'name="form" value="([0-9a-f]+)"', self.get(path))
        assert found
        return found[1]
