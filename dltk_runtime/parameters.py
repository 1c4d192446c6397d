"""`parameters`: the parameters of a notebook, for cells that run by hand.

The public name of `dltk_runtime.notebook.parameters.parameters`, which notebooks import.
"""

from dltk_runtime.notebook.parameters import parameters

__all__ = ["parameters"]
