"""A model in a worker: its copies, the changes that are undone, and the runtime's own pickle.

A worker serves many requests with one model. An algorithm whose `apply` changes it (counts,
learns, inserts points) would make an answer depend on the requests before. A model that pickles to
at most 1 MiB is therefore compared with its first state after each answer and restored if it has
changed. Models of deep learning frameworks are excluded: applying one does not change it, and
pickling one is slow.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from dltk_runtime.notebook.frameworks import DEEP_LEARNING
from dltk_runtime.units import MIB

MAX_COMPARED_BYTES = MIB  # of a pickle


def own_copy(model: Any) -> Any:
    """Copy a dict, so that keys set by one apply are gone at the next; other models are shared."""
    return model.copy() if type(model) is dict else model


def write_pickle(model: Any, path: str) -> None:
    """Pickle a model that the notebook's `save` did not store.

    Raises:
        TypeError: the model cannot be pickled; the text says what `save` should do.
    """
    with open(path, "wb") as file:
        try:
            cloudpickle.dump(model, file)
        except Exception as error:
            raise TypeError(
                f"save stored nothing, and the model cannot be pickled either ({type(error).__name__}: {error}). "
                "Let save(model, name) write the model to MODEL_DIRECTORY + name, and load(name) read it from there"
            ) from error


def read_pickle(path: str) -> Any:
    """Read the model that `write_pickle` wrote, with the classes of the code that is loaded."""
    with open(path, "rb") as file:
        return cloudpickle.load(file)


class Pristine:
    """The state of a model when it was loaded, if that can be compared and restored."""

    def __init__(self, model: Any) -> None:
        first = None if _is_deep(model) else _pickled(model)
        # Pickles that differ each time (time stamps, the order of a set) cannot be compared.
        self._pickle = first if first is not None and first == _pickled(model) else None

    def restored(self, model: Any) -> Any:
        """Return `model` if it has not changed since it was loaded, else a fresh one."""
        if self._pickle is None or _pickled(model) == self._pickle:
            return model
        fresh = pickle.loads(self._pickle)  # noqa: S301 - made by this process
        self._pickle = _pickled(fresh)  # of an equal model, which may differ once
        return fresh


def _is_deep(model: Any) -> bool:
    """Return whether the model, or a value in it, is of a deep learning framework."""
    parts = model.values() if isinstance(model, dict) else (model,)
    bases = (base for part in parts for base in type(part).__mro__)
    return any(base.__module__.partition(".")[0] in DEEP_LEARNING for base in bases)


def _pickled(model: Any) -> bytes | None:
    target = _Bounded()
    try:
        cloudpickle.dump(model, target)
    except Exception:  # noqa: BLE001 - a model that raises anything while it is pickled is not monitored
        return None
    return target.getvalue()


class _Bounded(io.BytesIO):
    def write(self, data: Any) -> int:
        if self.tell() + len(data) > MAX_COMPARED_BYTES:
            raise OverflowError
        return super().write(data)
