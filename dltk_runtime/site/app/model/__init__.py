"""Notebooks and their helpers as modules.

Importing this package installs the import finder. A worker has installed it before; a worker's
child processes (joblib, spawn pools) and Jupyter kernels install it here.
"""

from dltk_runtime.notebook.loader import install_from_environment

install_from_environment()

__path__.clear()  # only the finder's folders are searched, not this file's
