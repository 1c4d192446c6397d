"""Public API: the parameters of a notebook, for cells run by hand or by papermill."""

from dltk_runtime.notebook.parameters import parameters

__all__ = ["parameters"]
