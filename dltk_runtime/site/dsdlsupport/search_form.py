"""Form of `SplunkSearch` in JupyterLab; without Jupyter or ipywidgets nothing is shown."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from dltk_runtime.errors import DltkError

if TYPE_CHECKING:
    from .SplunkSearch import SplunkSearch


def show(search: SplunkSearch) -> None:
    """Show the form if this is a Jupyter kernel with ipywidgets."""
    if _in_jupyter():
        try:
            importlib.import_module("IPython.display").display(form(search))
        except ImportError:
            return


def form(search: SplunkSearch) -> Any:
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
