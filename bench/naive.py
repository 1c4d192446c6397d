"""The server as people build it by hand: one process, and the model loaded anew for each call.

    python -m bench.naive PORT [CERTIFICATE KEY]

It serves the same notebooks; `DLTK_HOME` and `DLTK_NOTEBOOKS` say where they are, as for the service.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
from types import ModuleType
from typing import Any

import pandas as pd
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def module_of(meta: dict[str, Any]) -> tuple[ModuleType, str]:
    """The notebook's functions, and the name that its model is saved under."""
    options = meta["options"]
    algorithm = options["params"]["algo"]
    return importlib.import_module(f"app.model.{algorithm}"), f"{algorithm}_{options['model_name']}"


def answer(results: Any, route: str) -> Response:
    """Splunk's answer."""
    text = pd.DataFrame(results).to_csv(index=False)
    sent = {"status": "success", "message": f"{route} done successfully", "results": text}
    return Response(json.dumps(sent), media_type="application/json")


async def fit(request: Request) -> Response:
    body = json.loads(await request.body())
    frame, meta = pd.read_csv(io.StringIO(body["data"])), body["meta"]
    module, name = module_of(meta)
    model = module.init(frame, meta)
    module.fit(model, frame, meta)
    module.save(model, name)
    return answer(module.apply(model, frame, meta), "/fit")


async def apply(request: Request) -> Response:
    body = json.loads(await request.body())
    frame, meta = pd.read_csv(io.StringIO(body["data"])), body["meta"]
    module, name = module_of(meta)
    return answer(module.apply(module.load(name), frame, meta), "/apply")


def main(port: str, certificate: str | None = None, key: str | None = None) -> None:
    routes = [Route("/fit", fit, methods=["POST"]), Route("/apply", apply, methods=["POST"])]
    tls = {"ssl_certfile": certificate, "ssl_keyfile": key}
    uvicorn.run(Starlette(routes=routes), port=int(port), log_level="error", timeout_keep_alive=600, **tls)


if __name__ == "__main__":
    main(*sys.argv[1:])
