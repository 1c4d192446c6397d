"""What MLflow's client keeps for the end of a process, which a worker never reaches in order."""

from __future__ import annotations

import sys

_KEPT = (  # modules and functions, which do nothing where nothing was kept
    ("mlflow.utils.autologging_utils.metrics_queue", "flush_metrics_queue"),  # of autologging
    ("mlflow.tracking.fluent", "flush_async_logging"),
)


def flush() -> None:
    """Have it sent, where the notebook has imported mlflow; what goes wrong is printed."""
    for module, function in _KEPT:
        if module in sys.modules:
            try:
                getattr(sys.modules[module], function)()
            except Exception as error:  # noqa: BLE001 - whatever a client raises, the fit has ended
                sys.stderr.write(f"MLflow's client could not send all that was logged: {type(error).__name__}\n")
