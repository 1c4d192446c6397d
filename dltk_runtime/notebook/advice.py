"""The next step for errors of notebook code that come from its surroundings, not from its lines."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from dltk_runtime.notebook.cells import not_exported
from dltk_runtime.notebook.errors import NotebookError
from dltk_runtime.notebook.outline import bound_names
from dltk_runtime.notebook.source import Source
from dltk_runtime.notebook.surroundings import is_held_back, is_not_there, not_installed, variables_read
from dltk_runtime.secret_names import is_secret_name

MAX_SEARCHED_CHARACTERS = 2000
_NO_CUDA = re.compile(
    r"not compiled with CUDA|no NVIDIA driver|No CUDA GPUs|CUDA driver version is insufficient|"
    r"torch\.cuda\.is_available\(\) is False|no CUDA-capable device",
    re.IGNORECASE,
)


def advice(error: BaseException, source: Source | None, loaded: Sequence[Source] = ()) -> str:
    """Return a sentence with the next step; "" for an error that speaks for itself.

    `source` is the algorithm's, whose cells that are not exported may define a missing name;
    `loaded` are all that were imported, which may read variables that notebooks do not get.
    """
    return _advice(error, source) or _of_variables([*([source] if source else []), *loaded])


def _of_variables(sources: Sequence[Source]) -> str:
    """Return which secret a notebook reads and was not given; the error may come from that."""
    for source in sources:
        for name, place in variables_read(source):
            if is_secret_name(name) and name not in os.environ:
                return f"The notebook reads a secret at {place}: {is_held_back(name)}."
    return ""


def _advice(error: BaseException, source: Source | None) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        name = error.name.partition(".")[0]
        return f"{_capital(not_installed(name))}." if name != "app" else ""
    if isinstance(error, NameError) and error.name and source is not None:
        return _of_name(error.name, source)
    if isinstance(error, KeyError) and error.args and _is_variable(error):
        name = str(error.args[0])
        return f"{_capital(is_held_back(name) if is_secret_name(name) else is_not_there(name))}."
    if _NO_CUDA.search(_text(error)):
        return (
            "No GPU can be used here: choose the device by torch.cuda.is_available(), load weights with "
            "map_location, or run an environment with CUDA (make setup VARIANT=gpu, make image IMAGE=gpu)."
        )
    return ""


def _of_name(name: str, source: Source) -> str:
    """Return where a name that is missing is defined."""
    if not source.origin.endswith(".ipynb"):
        return ""
    try:
        how, cells = not_exported(Path(source.origin))
    except (OSError, NotebookError):  # changed since it was read
        return ""
    for cell in reversed(cells):
        if name in bound_names(cell.source):
            return f"{name!r} is defined only in cell {cell.number}, which is not exported: {how}."
    return ""


def _is_variable(error: KeyError) -> bool:
    """Tell whether a KeyError is that of ``os.environ``."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename.startswith("<frozen os>")


def _text(error: BaseException) -> str:
    try:
        return str(error)[:MAX_SEARCHED_CHARACTERS]
    except Exception:  # noqa: BLE001 - whatever an exception of the notebook's raises in its __str__
        return ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
