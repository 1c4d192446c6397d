"""The executed notebook as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dltk_runtime.files import atomic


def write_html(executed: Path, page: Path | None) -> None:
    """Write the executed notebook, also that of a failed run, as HTML to `page`, if that is wanted."""
    if page is None or not executed.is_file():
        return
    from nbconvert import HTMLExporter  # slow to import

    exporter: Any = HTMLExporter  # untyped
    text, _ = exporter().from_filename(str(executed))
    page.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(page, text.encode("utf-8", "replace"))
