"""How good answers are, as the numbers that `fit` returns under ``metrics``."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score, mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error


def of_probabilities(probability, truth):
    """Metrics of the probabilities of 1 (rows,) against the truth (rows,), which holds both 0 and 1."""
    said = probability > 0.5
    return {
        "accuracy": float((said == truth).mean()),
        "f1": float(f1_score(truth, said)),
        "roc_auc": float(roc_auc_score(truth, probability)),
        "rows": len(truth),
    }


def of_numbers(said, truth):
    """Metrics of predicted numbers (rows,) against the truth (rows,), in the target's own unit."""
    metrics = {
        "mae": float(mean_absolute_error(truth, said)),
        "rmse": float(root_mean_squared_error(truth, said)),
        "rows": len(truth),
    }
    # The share of the spread that is explained says nothing where there is no spread.
    return metrics | ({"r2": float(r2_score(truth, said))} if np.ptp(truth) else {})
