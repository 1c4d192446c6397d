"""The toolkit's ``score`` command: predictions compared with what is true, by scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from dltk_runtime.emulator.arguments import Option, parse_arguments
from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk.request import infer
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.errors import nearest
from dltk_runtime.texts import unquote

Compare = Callable[[pd.Series, pd.Series, dict[str, Any]], dict[str, Any]]

_AVERAGES = ("binary", "macro", "micro", "weighted")
_OF_NUMBERS = ("explained_variance_score", "mean_absolute_error", "mean_squared_error", "r2_score")
_OF_CLASSES = ("precision_score", "recall_score", "f1_score", "precision_recall_fscore_support")
METHODS = ("accuracy_score", *_OF_CLASSES, *_OF_NUMBERS)

# Methods of the toolkit that do not run here.
_ELSEWHERE = """
    adfuller analysis_of_variance anova augmented_dickey_fuller describe energy_distance f_oneway kolmogorov_smirnov
    kpss ks_2samp kstest mannwhitneyu moment normal_test normaltest one_sample_ttest pairwise_distances pearsonr
    roc_auc_score roc_curve silhouette_score spearmanr tmean trim ttest_1samp ttest_ind ttest_rel tvar
    wasserstein_distance wilcoxon
"""
NOT_HERE: Mapping[str, str] = {
    **dict.fromkeys(_ELSEWHERE.split(), "here are only those for classes and numbers"),
    "confusion_matrix": "the names of its columns are not documented; use stats count BY both fields",
}


def parse_score(arguments: str) -> Callable[[pd.DataFrame], Result]:
    """Parse ``<method> <field> against <field>`` and its options.

    Raises:
        SearchInvalid: the method, a field or an option does not run here.
    """
    words, params = [], {}
    for argument in parse_arguments(arguments):
        if isinstance(argument, Option):
            params[argument.key] = unquote(argument.value)
        else:
            words.append(argument.name)
    method = words[0] if words else ""
    if not method:
        raise SearchInvalid(f"the method is missing: one of {', '.join(METHODS)}")
    if method in NOT_HERE:
        raise SearchInvalid(f"the method {method} runs in Splunk only: {NOT_HERE[method]}")
    if method not in METHODS:
        raise SearchInvalid(f"the method {method!r} is none of {', '.join(METHODS)}.{nearest(method, METHODS)}")
    if len(words) != 4 or words[2].lower() not in {"against", "~"}:
        raise SearchInvalid(f"expected score {method} <field> against <field>; several fields run in Splunk only")
    known = ("average", "pos_label") if method in _OF_CLASSES else ()
    if extra := params.keys() - set(known):
        raise SearchInvalid(f"the option {min(extra)}= of {method} runs in Splunk only")
    if params.get("average", "binary") not in _AVERAGES:
        raise SearchInvalid(f"average= is one of {', '.join(_AVERAGES)} here, got {params['average']}")
    actual, predicted = words[1], words[3]
    return lambda frame: Result(pd.DataFrame([_compare(method, *_pairs(frame, actual, predicted, method), params)]))


def _pairs(frame: pd.DataFrame, actual: str, predicted: str, method: str) -> tuple[pd.Series, pd.Series]:
    if missing := [name for name in (actual, predicted) if name not in frame.columns]:
        raise SearchError(f"Missing field(s): {', '.join(missing)}.")
    rows = infer(frame[list(dict.fromkeys((actual, predicted)))]).dropna()
    if rows.empty:
        raise SearchError(f"no row has both {actual} and {predicted}.")
    for name in (actual, predicted):
        is_number = pd.api.types.is_numeric_dtype(rows[name]) and not pd.api.types.is_bool_dtype(rows[name])
        if method in _OF_NUMBERS and not is_number:
            raise SearchError(f"{method} compares numbers, and {name} has text.")
        if method not in _OF_NUMBERS and pd.api.types.is_float_dtype(rows[name]):
            if not (rows[name] % 1 == 0).all():
                raise SearchError(f"{method} compares classes, and {name} has decimals.")
            rows[name] = rows[name].astype(int)
    return rows[actual], rows[predicted]


def _compare(method: str, actual: pd.Series, predicted: pd.Series, params: dict[str, str]) -> dict[str, Any]:
    from sklearn import metrics

    if pd.api.types.is_numeric_dtype(actual) != pd.api.types.is_numeric_dtype(predicted):
        actual, predicted = actual.astype(str), predicted.astype(str)
    if method not in _OF_CLASSES:
        return {method: float(getattr(metrics, method)(actual, predicted))}
    label: Any = params.get("pos_label", "1")
    options = {"average": params.get("average", "binary"), "zero_division": 0}
    if options["average"] == "binary":
        options["pos_label"] = int(label) if pd.api.types.is_numeric_dtype(actual) and label.isdigit() else label
    try:
        found = getattr(metrics, method)(actual, predicted, **options)
    except ValueError as error:
        raise SearchError(f"{method}: {error}") from error
    if method != "precision_recall_fscore_support":
        return {method: float(found)}
    names = ("precision", "recall", "fbeta_score", "support")
    return {name: None if value is None else float(value) for name, value in zip(names, found, strict=True)}
