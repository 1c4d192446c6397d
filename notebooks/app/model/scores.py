"""Metrics of predictions, as `fit` returns them under ``metrics``."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score, mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error


def of_probabilities(probability, truth):
    """Return metrics of probabilities (rows,) for a truth (rows,) with both 0 and 1."""
    predicted = probability > 0.5
    return {
        "accuracy": float((predicted == truth).mean()),
        "f1": float(f1_score(truth, predicted)),
        "roc_auc": float(roc_auc_score(truth, probability)),
        "rows": len(truth),
    }


def of_numbers(predicted, truth):
    """Return metrics of predicted numbers (rows,) for a truth (rows,), in the target's unit."""
    metrics = {
        "mae": float(mean_absolute_error(truth, predicted)),
        "rmse": float(root_mean_squared_error(truth, predicted)),
        "rows": len(truth),
    }
    # R² is undefined for a constant truth.
    return metrics | ({"r2": float(r2_score(truth, predicted))} if np.ptp(truth) else {})
