"""What the tests of rights ask a server for, with one token or another."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.fit.test_async_fits import Gate
from tests.support.service import Service, meta_for, until

ROWS = "x\n1\n2\n"


def ask(service: Service, method: str, path: str, token: str, body: bytes | None = None) -> tuple[int, Any]:
    """The status and the JSON of an answer; of Splunk's routes 200 or, for a refusal by rights, 403."""
    request = urllib.request.Request(service.url + path, body, {"Authorization": token}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=200) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read()
    try:
        found = json.loads(text)
    except ValueError:
        return status, text.decode()
    refused = isinstance(found, dict) and found.get("status") == "error" and "lacks the right" in found["message"]
    return (403 if refused else status), found


def search(model: str = "m", **params: str) -> bytes:
    return json.dumps({"data": ROWS, "meta": meta_for(ROWS, model, {"algo": "algo"} | params)}).encode()


def door(service: Service, method: str, path: str, token: str) -> int:
    """The status of two rows, in the form of the path's protocol."""
    inputs = [{"name": "x", "shape": [2], "datatype": "INT64", "data": [1, 2]}]
    body = json.dumps({"inputs": inputs}).encode() if "/v2/" in path else ROWS.encode()
    kind = "application/json" if "/v2/" in path else "text/csv"
    headers = {"Authorization": token, "Content-Type": kind}
    request = urllib.request.Request(service.url + path, body if method == "POST" else None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=200) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@dataclass(frozen=True)
class Others:
    """What the token ``api_token`` has made for another one to end: the model ``gone``, and a job that runs."""

    service: Service
    gate: Gate

    def job(self) -> str:
        """Start a fit that runs until the gate opens; its job."""
        held = search("held", algo="waits", mode="async", **self.gate.params("fit"))
        assert ask(self.service, "POST", "/fit", self.service.token, held)[1]["status"] == "submitted"
        until(self.gate.began.exists)
        return str(self._running()[0])

    def ended(self) -> set[str]:
        """Which of the two is ended, by the name of the action."""
        models = json.loads(self.service.send("/v1/models", None))["models"]
        there = {"delete": any(each["model"] == "gone" for each in models), "cancel": bool(self._running())}
        return {name for name, found in there.items() if not found}

    def _running(self) -> list[str]:
        return [each["id"] for each in self.service.jobs() if (each["model"], each["state"]) == ("held", "running")]
