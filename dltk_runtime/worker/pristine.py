"""A model as it was loaded, to undo what an apply changes inside it.

A worker serves many requests with one model. An algorithm whose `apply` changes it (counts, learns, inserts points)
would answer by what was asked before. Where the model is small enough to be pickled in a moment, it is compared after
each answer and, when it has changed, replaced by one that is as it was. Networks are left alone: applying one does not
change it, and pickling one takes long.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

LARGEST = 1024**2  # bytes of a pickle that are compared after each answer
NETWORKS = ("torch", "tensorflow", "keras", "transformers", "jax")


class Pristine:
    """What a model was when it was loaded, if it is one that can be watched."""

    def __init__(self, model: Any) -> None:
        first = None if _is_network(model) else _pickled(model)
        # Some pickles differ each time, by time stamps or the order of a set: they tell nothing.
        self._pickle = first if first is not None and first == _pickled(model) else None

    def restored(self, model: Any) -> Any:
        """`model`, when it is as it was; else one that is."""
        if self._pickle is None or _pickled(model) == self._pickle:
            return model
        fresh = pickle.loads(self._pickle)  # noqa: S301 - made by this process
        self._pickle = _pickled(fresh)  # the same model may be told a little differently after its first way through
        return fresh


def _is_network(model: Any) -> bool:
    parts = model.values() if isinstance(model, dict) else (model,)
    return any(type(part).__module__.partition(".")[0] in NETWORKS or _derived(part) for part in parts)


def _derived(part: Any) -> bool:
    """Whether its class is a network's, defined in a notebook."""
    return any(base.__module__.partition(".")[0] in NETWORKS for base in type(part).__mro__)


def _pickled(model: Any) -> bytes | None:
    target = _Bounded()
    try:
        cloudpickle.dump(model, target)
    except Exception:  # noqa: BLE001 - whatever a model raises when it is pickled, it then is not watched
        return None
    return target.getvalue()


class _Bounded(io.BytesIO):
    def write(self, data: Any) -> int:
        if self.tell() + len(data) > LARGEST:
            raise OverflowError
        return super().write(data)
