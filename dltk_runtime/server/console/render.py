"""Pages from templates/: every value is escaped, and every answer carries the same strict headers."""

from __future__ import annotations

import asyncio
import functools
import gzip
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dltk_runtime.jobs.view import JobView
from dltk_runtime.server.console import assets, pictures
from dltk_runtime.server.console.visible import seen
from dltk_runtime.units import MIB

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).with_name("templates")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
MIN_COMPRESSED_BYTES = 2000
COMPRESSION = 4  # of 9: 200 rows of a table in a few milliseconds
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a whole page."""
    return HTMLResponse(text(name, **values), status, headers=HEADERS)


class Unwritten(HTMLResponse):
    """A page that `write` makes, in a thread: a long one takes a while, and applies go on meanwhile."""

    def __init__(self, name: str, status: int, values: dict[str, Any]) -> None:
        super().__init__("", status, headers=HEADERS | {"Vary": "Accept-Encoding"})
        self._name = name
        self._values = values

    def write(self, *, compressed: bool) -> None:
        """Make the page; compress it, if it is worth while."""
        self.body = text(self._name, **self._values).encode("utf-8", "replace")
        if compressed and len(self.body) >= MIN_COMPRESSED_BYTES:
            self.body = gzip.compress(self.body, COMPRESSION, mtime=0)
            self.headers["content-encoding"] = "gzip"
        self.headers["content-length"] = str(len(self.body))


async def written(answer: Response, request: Request) -> Response:
    """Return an answer that can be sent."""
    if isinstance(answer, Unwritten):
        accepted = "gzip" in request.headers.get("accept-encoding", "")
        await asyncio.to_thread(answer.write, compressed=accepted)
    return answer


def text(name: str, **values: Any) -> str:
    """Return the text of the template `name`."""
    return _environment().get_template(name).render(values)


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2  # at the first page: a server that nobody looks at does without

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seen": seen, "when": when, "figure": figure, "lasting": lasting, "left": left}
    environment.filters["shell"] = shlex.quote
    environment.globals |= {"file": assets.address, "pictures": pictures, "mib": MIB, "now": lambda: datetime.now(UTC)}
    return environment


def when(moment: datetime | None) -> str:
    """Format a time, UTC."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def figure(value: float | None) -> str:
    """Format a number with four significant digits, never cut."""
    return "" if value is None else f"{value:.4g}"


def left(job: JobView) -> str:
    """Format how long a fit may still take, by its steps so far; empty where they do not tell."""
    if job.started is None or job.ended is not None or not 0 < job.step < job.total:
        return ""
    spent = (datetime.now(UTC) - job.started).total_seconds()
    return f"about {lasting(spent * (job.total - job.step) / job.step)} left"


def lasting(seconds: float | None) -> str:
    """Format seconds: ``4.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
