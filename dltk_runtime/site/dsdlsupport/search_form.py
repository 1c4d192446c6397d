"""Form of `SplunkSearch` in JupyterLab; without Jupyter or ipywidgets nothing is shown."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Protocol

from dltk_runtime.errors import DltkError


class Search(Protocol):
    """What the form needs of a `SplunkSearch`."""

    query: str
    earliest: str
    latest: str
    events: list[dict[str, Any]]

    def search(self, query: str, earliest: str, latest: str) -> list[dict[str, Any]]:
        """Run the search."""
        ...

    def as_df(self) -> Any:
        """Return all rows as a frame."""
        ...


def show(search: Search) -> None:
    """Show the form if this is a Jupyter kernel with ipywidgets."""
    if _in_jupyter():
        try:
            importlib.import_module("IPython.display").display(form(search))
        except ImportError:
            return


def form(search: Search) -> Any:
    """Make the form; its button runs the search and shows the first rows or the error.

    Raises:
        ImportError: ipywidgets is not installed.
    """
    widgets: Any = importlib.import_module("ipywidgets")
    query = widgets.Textarea(search.query, description="search", layout=widgets.Layout(width="95%", height="6em"))
    earliest = widgets.Text(search.earliest, description="earliest")
    latest = widgets.Text(search.latest, description="latest")
    button = widgets.Button(description="search", icon="search")
    output = widgets.Output()

    def run(_: Any) -> None:
        output.outputs = ()
        button.disabled = True
        try:
            search.search(query.value, earliest.value, latest.value)
            output.append_display_data(search.as_df().head())
            output.append_stdout(f"{len(search.events):,} rows: as_df() returns all of them\n")
        except DltkError as error:
            output.append_stderr(f"{error}\n")
        finally:
            button.disabled = False

    button.on_click(run)
    return widgets.VBox([query, widgets.HBox([earliest, latest, button]), output])


def _in_jupyter() -> bool:
    """Return whether this is a Jupyter kernel, not a worker or a terminal's IPython."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None
