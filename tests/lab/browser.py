"""A headless Chromium, driven over the DevTools protocol: open a page, type, evaluate."""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import websocket  # of jupyter_server's dependencies

ROOT = Path(__file__).resolve().parents[2]
SHORTCUT_CONTROL = 2  # DevTools' bit for the control key


class Browser:
    """One page. `evaluate` runs JavaScript in it and awaits promises."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        subprocess.run(["sh", str(ROOT / "tools" / "debian.sh"), "chromium"], check=True, capture_output=True)
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        options += ["--remote-debugging-port=0", "--remote-allow-origins=*", "--window-size=1280,800"]
        command = ["chromium", *options, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = _wait(lambda: (self._profile / "DevToolsActivePort").read_text().split("\n")[0])
        pages = _wait(lambda: [page for page in _json(f"http://127.0.0.1:{port}/json") if page["type"] == "page"])
        self._socket = websocket.create_connection(pages[0]["webSocketDebuggerUrl"], timeout=60)
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)  # a page nobody looks at has no focus
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(30)

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        found = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Wait until an expression is truthy; return its value. Errors count as not yet."""
        return _wait(lambda: self.evaluate(expression))

    def type(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def save(self) -> None:
        """Press Control-S."""
        key = {"key": "s", "code": "KeyS", "windowsVirtualKeyCode": 83, "modifiers": SHORTCUT_CONTROL}
        self.send("Input.dispatchKeyEvent", type="keyDown", **key)
        self.send("Input.dispatchKeyEvent", type="keyUp", **key)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(message["error"])
                result: dict[str, Any] = message["result"]
                return result


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def _wait(attempt: Any, seconds: float = 90.0) -> Any:
    """Call `attempt` every tenth of a second until it returns something; return that."""
    ends, pause, last = time.monotonic() + seconds, threading.Event(), None
    while time.monotonic() < ends:
        try:
            if found := attempt():
                return found
        except (OSError, RuntimeError) as error:
            last = error
        pause.wait(0.1)
    raise TimeoutError(f"nothing came within {seconds:g} s; last: {last}")
