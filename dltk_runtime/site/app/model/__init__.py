"""Notebooks and their helpers as modules.

Importing this package is all that a process needs to find them: a worker has installed its finder
before; the children of one (joblib's, a spawn pool's) and Jupyter kernels get theirs here.
"""

from dltk_runtime.notebook.loader import install_from_environment

install_from_environment()

__path__.clear()  # the finder's folders alone count, not the one this file lies in
