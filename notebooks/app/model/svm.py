"""Support vector machines whose settings are found by a grid search."""

from __future__ import annotations

import ast

import numpy as np
import pandas as pd
from app.model.fields import classes_of
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

SEED = 42
MOST_CLASSES = 20  # with more different numbers, the target is a regression
MOST_TRIED = 1000  # combinations of values


def machine_for(is_quantity):
    """Return the untrained machine for numbers, or for classes."""
    return SVR() if is_quantity else SVC(random_state=SEED)


def is_quantity(df, target):
    """Tell whether the target is a quantity, not a class: many different numbers."""
    return target in df and _is_number(df[target]) and df[target].nunique() > MOST_CLASSES


def _is_number(column):
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def refuse_rare(df, target, folds):
    """Raise an error if a class has fewer rows than there are folds."""
    classes_of(df, target)
    counts = df[target].value_counts()
    if counts.min() < folds:
        rare = ", ".join(f"{name} ({count})" for name, count in counts[counts < folds].items())
        raise ValueError(f"The target '{target}' has classes with fewer rows than folds={folds}: {rare}.")


def grids_in(text, machine):
    """Parse `{'C': [1, 10]}`, or several such dicts joined by commas, to a list of dicts of lists.

    Only literals are accepted, so no code in the text runs.

    Raises:
        ValueError: it is no dict of lists, too large, or has an unknown setting.
    """
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        refuse_grid(text, f"it is no Python dict of lists ({type(error).__name__})", error)
    grids = list(found) if isinstance(found, tuple) and found else [found]
    if not all(_is_grid(grid) for grid in grids):
        refuse_grid(text, "it is no Python dict of lists")
    known = sorted(machine.get_params())
    if unknown := [str(name) for grid in grids for name in grid if name not in known]:
        refuse_grid(text, f"{machine.__class__.__name__} has no {', '.join(unknown)}, but {', '.join(known)}")
    if (tried := sum(int(np.prod([len(values) for values in grid.values()])) for grid in grids)) > MOST_TRIED:
        refuse_grid(text, f"it asks for {tried} combinations; {MOST_TRIED} are the most")
    return [{name: list(values) for name, values in grid.items()} for grid in grids]


def _is_grid(grid):
    return isinstance(grid, dict) and all(isinstance(values, list | tuple) and values for values in grid.values())


def refuse_grid(text, problem, cause=None):
    """Raise an error with the text that the search shows."""
    example = "{'kernel': ['rbf'], 'C': [1, 10]}"
    raise ValueError(f'grid={text} cannot be used: {problem}. Write it like grid="{example}".') from cause


def searched(x, y, grids, folds, quantity):
    """Return scikit-learn's `GridSearchCV` after the cross-validation of all combinations; the best is trained."""
    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("svm", machine_for(quantity))]),
        [{f"svm__{name}": values for name, values in grid.items()} for grid in grids],
        cv=(KFold if quantity else StratifiedKFold)(folds, shuffle=True, random_state=SEED),
        error_score="raise",
    )
    return search.fit(x, y)


def plain(settings):
    """Return a combination of settings with the names that the search used."""
    return {name.removeprefix("svm__"): value for name, value in settings.items()}
