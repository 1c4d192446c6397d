"""The files that pages load: by name and hash, compressed, for a year."""

from __future__ import annotations

import functools
import gzip
import hashlib
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

HERE = Path(__file__).parent
YEAR_SECONDS = 365 * 24 * 3600
# Libraries are stored compressed (vendor/README.md), our own files as text.
FILES = {
    "htmx.js": "vendor/htmx.min.js.gz",
    "sse.js": "vendor/hx-sse.min.js.gz",
    "pico.css": "vendor/pico.classless.min.css.gz",
    "uplot.js": "vendor/uPlot.iife.min.js.gz",
    "uplot.css": "vendor/uPlot.min.css.gz",
    "console.css": "static/console.css",
    "console.js": "static/console.js",
    "forms.js": "static/forms.js",
}
TYPES = {".js": "text/javascript", ".css": "text/css"}


@functools.cache
def content(name: str) -> bytes:
    """Return a file, compressed by gzip."""
    stored = (HERE / FILES[name]).read_bytes()
    return stored if FILES[name].endswith(".gz") else gzip.compress(stored, 9, mtime=0)


@functools.cache
def address(name: str) -> str:
    """Return the path of a file, which changes with its content."""
    return f"/ui/files/{hashlib.sha256(content(name)).hexdigest()[:16]}/{name}"


async def send(request: Request) -> Response:
    """Answer with a file; its old addresses are gone."""
    name = request.path_params["name"]
    if name not in FILES or request.url.path != address(name):
        raise HTTPException(404, "There is no such file.")
    headers = {"Cache-Control": f"public, max-age={YEAR_SECONDS}, immutable", "X-Content-Type-Options": "nosniff"}
    body = content(name)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        body = gzip.decompress(body)
    return Response(body, headers=headers | {"Vary": "Accept-Encoding"}, media_type=TYPES[Path(name).suffix])
