"""Pages from templates/: every value is escaped, and every answer carries the same strict headers."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

from dltk_runtime.server.console import assets, pictures
from dltk_runtime.server.console.visible import seen

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).with_name("templates")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a whole page."""
    return HTMLResponse(text(name, **values), status, headers=HEADERS)


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
    environment.filters |= {"seen": seen, "when": when, "figure": figure, "lasting": lasting}
    environment.globals |= {"file": assets.address, "pictures": pictures, "now": lambda: datetime.now(UTC)}
    return environment


def when(moment: datetime | None) -> str:
    """Format a time, UTC."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def figure(value: float | None) -> str:
    """Format a number with four significant digits, never cut."""
    return "" if value is None else f"{value:.4g}"


def lasting(seconds: float | None) -> str:
    """Format seconds: ``4.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
