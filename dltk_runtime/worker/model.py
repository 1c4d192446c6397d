"""What the steps of a worker do with models and with the fields they need."""

from __future__ import annotations

from typing import Any, BinaryIO

import cloudpickle  # type: ignore[import-untyped]

from dltk_runtime.worker.failure import StepFailed
from dltk_runtime.worker.messages import ErrorReport

Meta = dict[str, Any]


def led_by(lacking: str, failure: StepFailed) -> StepFailed:
    """`failure` with what the request lacks in front: most likely that is the reason."""
    if not lacking:
        return failure
    report = failure.report
    led = ErrorReport(report.step, f"{lacking}. {report.sentence}", report.coordinates, report.traceback)
    return StepFailed(led)


def own_copy(model: Any) -> Any:
    """The model as one apply may have it: what it puts into a dict is gone at the next one."""
    return model.copy() if type(model) is dict else model


def pickle_into(file: BinaryIO, model: Any) -> None:
    """Keep a model that its notebook's `save` did not store.

    Raises:
        TypeError: it cannot be pickled; the text says what `save` should do.
    """
    try:
        cloudpickle.dump(model, file)
    except Exception as error:
        raise TypeError(
            f"save stored nothing, and the model cannot be pickled either ({type(error).__name__}: {error}). "
            "Let save(model, name) write the model to MODEL_DIRECTORY + name, and load(name) read it from there"
        ) from error


def unpickle(path: str) -> Any:
    """The model that `pickle_into` kept, with the classes of the code that is loaded."""
    with open(path, "rb") as file:
        return cloudpickle.load(file)
