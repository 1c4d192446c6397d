"""Asks the stand-in as Splunk does."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from tests.oldserver.old import OldContainer
from tests.support.service import meta_for

DATA = "a,b\n1,2\n3,4\n"


class Client:
    """Sends requests to the stand-in."""

    def __init__(self, old: OldContainer) -> None:
        self.old = old

    def send(self, path: str, body: bytes | None = None, token: str | None = None) -> tuple[int, bytes, Any]:
        headers = {"Authorization": self.old.token if token is None else token}
        request = urllib.request.Request(self.old.url + path, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=100) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers

    def post(self, path: str, algo: str, data: str = DATA, model: str = "m", **params: str) -> dict[str, Any]:
        meta = meta_for(data, model, {"algo": algo, **params})
        if not model:
            del meta["options"]["model_name"]
        status, answer, _ = self.send(path, json.dumps({"data": data, "meta": meta}).encode())
        assert status == 200
        return dict(json.loads(answer))

    def calls(self) -> str:
        path = self.old.home / "calls"
        text = path.read_text().strip() if path.exists() else ""
        path.unlink(missing_ok=True)
        return text
