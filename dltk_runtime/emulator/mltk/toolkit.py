"""Algorithms of Splunk's machine learning toolkit that stand around a container's, by scikit-learn.

The names of parameters and result columns are the toolkit's. Rows with a null in a feature are not
trained on and have no result, but stay; text features, which the toolkit turns into 0/1 columns,
are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dltk_runtime import booleans
from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.errors import nearest, shown
from dltk_runtime.texts import unquote

if TYPE_CHECKING:
    import pandas as pd

KMEANS_STARTS = 10

Convert = Callable[[str], Any]


def _whole(value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise ValueError("a whole number")
    return int(value)


def _flag(value: str) -> bool:
    try:
        return booleans.parse_spl(value)
    except ValueError:
        raise ValueError("true or false") from None


def _share(value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise ValueError("a number above 0, at most 1")
    return found


def _features(value: str) -> Any:
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return None if value == "None" else value


@dataclass(frozen=True, slots=True)
class ToolkitAlgorithm:
    """One algorithm: its parameters by name, and how to build and use it."""

    build: Callable[[dict[str, Any]], Any]
    results: Callable[[Any, pd.DataFrame, str | None, str | None], dict[str, Any]]
    parameters: Mapping[str, Convert]
    supervised: bool = False
    seeded: bool = False

    def read(self, params: Mapping[str, str]) -> dict[str, Any]:
        """Convert the parameters of a search.

        Raises:
            SearchInvalid: one is unknown, or has a value of another form.
        """
        found = {}
        for key, written in params.items():
            if key not in self.parameters:
                raise SearchInvalid(f"Unexpected parameter: {key}.{nearest(key, self.parameters)}")
            try:
                found[key] = self.parameters[key](unquote(written))
            except ValueError as error:
                raise SearchInvalid(f"{key}= must be {error}, got {shown(written)}") from None
        if {"k", "variance"} <= found.keys():
            raise SearchInvalid("only one of k= and variance= may be given")
        return found


def _scaler(params: dict[str, Any]) -> Any:
    from sklearn.preprocessing import StandardScaler

    return StandardScaler(**params)


def _pca(params: dict[str, Any]) -> Any:
    from sklearn.decomposition import PCA

    variance = params.get("variance", 1)
    return PCA(n_components=params.get("k", variance if variance < 1 else None))


def _kmeans(params: dict[str, Any]) -> Any:
    from sklearn.cluster import KMeans

    return KMeans(params.get("k", 8), random_state=params.get("random_state"), n_init=KMEANS_STARTS)


def _forest(params: dict[str, Any]) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(**params)


def _linear(params: dict[str, Any]) -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression(**params)


def _scaled(model: Any, rows: pd.DataFrame, _: str | None, name: str | None) -> dict[str, Any]:
    made = model.transform(rows.to_numpy())
    return {f"{name or 'SS'}_{field}": made[:, place] for place, field in enumerate(rows.columns)}


def _components(model: Any, rows: pd.DataFrame, _: str | None, name: str | None) -> dict[str, Any]:
    made = model.transform(rows.to_numpy())
    return {f"{name or 'PC'}_{place + 1}": made[:, place] for place in range(made.shape[1])}


def _clusters(model: Any, rows: pd.DataFrame, _: str | None, name: str | None) -> dict[str, Any]:
    values = rows.to_numpy()
    found = model.predict(values)
    distance = ((values - model.cluster_centers_[found]) ** 2).sum(axis=1)
    return {name or "cluster": found, "cluster_distance": distance}


def _predicted(model: Any, rows: pd.DataFrame, target: str | None, name: str | None) -> dict[str, Any]:
    return {name or f"predicted({target})": model.predict(rows.to_numpy())}


ALGORITHMS: Mapping[str, ToolkitAlgorithm] = {
    "KMeans": ToolkitAlgorithm(_kmeans, _clusters, {"k": _whole, "random_state": _whole}, seeded=True),
    "LinearRegression": ToolkitAlgorithm(_linear, _predicted, {"fit_intercept": _flag}, supervised=True),
    "PCA": ToolkitAlgorithm(_pca, _components, {"k": _whole, "variance": _share}),
    "RandomForestClassifier": ToolkitAlgorithm(
        _forest,
        _predicted,
        {
            "criterion": str,
            "max_depth": _whole,
            "max_features": _features,
            "max_leaf_nodes": _whole,
            "min_samples_split": _whole,
            "n_estimators": _whole,
            "random_state": _whole,
        },
        supervised=True,
        seeded=True,
    ),
    "StandardScaler": ToolkitAlgorithm(_scaler, _scaled, {"with_mean": _flag, "with_std": _flag}),
}


@dataclass(frozen=True, slots=True)
class ToolkitModel:
    """A fitted model with the fields that it reads."""

    algorithm: str
    estimator: Any
    features: tuple[str, ...]
    target: str | None


def train(algorithm: str, params: dict[str, Any], rows: pd.DataFrame, target: str | None) -> ToolkitModel:
    """Fit `algorithm` to rows without nulls; all columns but `target` are features.

    Raises:
        SearchError: a feature is not numeric, or scikit-learn refuses them.
    """
    features = [name for name in rows.columns if name != target]
    estimator = ALGORITHMS[algorithm].build(params)
    values = numbers(rows[features])
    try:
        estimator.fit(values.to_numpy(), *([] if target is None else [rows[target].to_numpy()]))
    except ValueError as error:
        raise SearchError(f"{algorithm} cannot be fitted: {error}") from error
    return ToolkitModel(algorithm, estimator, tuple(features), target)


def add_results(model: ToolkitModel, frame: pd.DataFrame, name: str | None) -> pd.DataFrame:
    """Add the result columns of `model`; rows with a null in a feature have none.

    Raises:
        SearchError: a feature is missing, or not numeric.
    """
    import pandas as pd

    if missing := [field for field in model.features if field not in frame.columns]:
        raise SearchError(f"Missing field(s) of the model: {', '.join(missing)}.")
    rows = frame[list(model.features)].dropna()
    if rows.empty:
        return frame
    found = ALGORITHMS[model.algorithm].results(model.estimator, numbers(rows), model.target, name)
    made = pd.DataFrame(found, index=rows.index)
    if len(made) < len(frame):
        made = made.astype(object).reindex(frame.index)
    return pd.concat([frame.drop(columns=[each for each in made if each in frame.columns]), made], axis="columns")


def numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `rows` if all columns are numeric.

    Raises:
        SearchError: one is not.
    """
    import pandas as pd

    if wrong := [name for name in rows.columns if not pd.api.types.is_numeric_dtype(rows[name])]:
        raise SearchError(
            f"the field {wrong[0]} has text: here features must be numbers; the toolkit's 0/1 columns of text "
            "run in Splunk only."
        )
    return rows.astype(float)
