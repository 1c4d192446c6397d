"""A container in this process: the acceptance notebook behind the two calls, with pandas' own CSV.

It keeps to what is known of the reference: the order of calls (protocol 1.4) and the texts of its answers.
`before` sees each request first and may change it: a Splunk that sends something else.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pandas as pd

from dltk_runtime.acceptance.notebook import notebook

Change = Callable[[str, dict[str, Any], pd.DataFrame], pd.DataFrame]


class NotebookServer:
    """Serves the notebook of the acceptance app on 127.0.0.1; models lie in `folder`."""

    def __init__(self, folder: Path, before: Change = lambda _path, _meta, frame: frame) -> None:
        self.folder, self.before = folder, before
        folder.mkdir(parents=True, exist_ok=True)
        cells = [each for each in json.loads(notebook())["cells"] if each["cell_type"] == "code"]
        self._names: dict[str, Any] = {}
        for cell in cells:
            exec(cell["source"].replace("/srv/app/model/data/", f"{folder}/"), self._names)
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Answer one call."""
        meta = body["meta"]
        options = meta["options"]
        frame = self.before(path, meta, pd.read_csv(io.StringIO(body["data"])))
        mode = options.get("params", {}).get("mode", "")
        if path == "/fit" and mode in {"stage", "register"}:
            return {"status": "staged", "message": f"mode={mode}: no model was built"}
        try:
            results = self._run(path, frame, meta, f"dltk_acceptance_{options.get('model_name', 'default')}")
        except ValueError as failure:
            return {"status": "error", "message": f"{path}: ERROR: unable to run model: {failure}"}
        return {"status": "success", "message": f"{path} done successfully", "results": results.to_csv(index=False)}

    def _run(self, path: str, frame: pd.DataFrame, meta: dict[str, Any], name: str) -> pd.DataFrame:
        call = self._names
        if path == "/fit":
            model = call["fit"](call["init"](frame, meta), frame, meta)
            call["save"](model, name)
        else:
            model = call["load"](name)
        results: pd.DataFrame = call["apply"](model, frame, meta)
        return results


class _Handler(BaseHTTPRequestHandler):
    owner: NotebookServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(self.owner.answer(self.path, body))

    def do_GET(self) -> None:
        self._send(json.dumps({"app": "Splunk App for Data Science and Deep Learning"}))

    def _send(self, answer: object) -> None:
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
