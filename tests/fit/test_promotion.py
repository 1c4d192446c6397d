"""Promotion: by default, by hand, or when a version beats the one in force on the same held-out rows."""

from __future__ import annotations

import pytest

from dltk_runtime.errors import OptionInvalid
from dltk_runtime.fit.options import FitOptions, PromotionOption, PromotionRule, fit_options
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.paths import Paths
from tests.support.service import Service

# The model is wrong about as many rows in a hundred as the search says.
FIT = """
    def fit(model, df, param):
        model["wrong"] = float(param["options"]["params"].get("wrong", 0))
        model["rows"] = len(df)
        return {"metrics": {"accuracy": 1 - model["wrong"] / 100}}
"""
APPLY = """
    def apply(model, df, param):
        right = (df["x"] % 2).astype(int)
        wrong = df["x"] % 100 < model["wrong"]
        return pd.DataFrame({"said": right.where(~wrong, 1 - right), "rows": model["rows"]})
"""
ROWS = "x,y\n" + "".join(f"{number},{number % 2}\n" for number in range(400))


pytestmark = pytest.mark.server(notebooks={"algo": {"fit": FIT, "apply": APPLY}}, own=True)


TEXTS = ROWS.replace(",0\n", ",even\n").replace(",1\n", ",odd\n")


def fit(service: Service, **params: str) -> str:
    answer = service.fit("algo", TEXTS if "labels" in params else ROWS, target="y", **params)
    assert answer["status"] == "success", answer
    assert len(answer["results"].splitlines()) == 401  # a row for every row sent
    return str(answer["message"])


def current(service: Service) -> str:
    answer = service.apply("algo", "x\n1\n", with_version="t")
    assert answer["results"].startswith("said,rows,model_version\n")
    return str(answer["results"].split()[1].split(",")[2])


def test_a_worse_version_is_stored_and_a_better_one_is_promoted(service: Service) -> None:
    better = {"promote": "better:accuracy", "holdout": "0.25"}
    assert "Version 1 of model 'm' is now current" in fit(service, wrong="20", **better)
    worse = fit(service, wrong="40", **better)
    assert "Version 2 of model 'm' is stored, but version 1 stays current (accuracy 0." in worse
    assert "held-out rows" in worse
    assert current(service) == "1"
    assert "Version 3 of model 'm' is now current (accuracy " in fit(service, wrong="5", **better)
    assert current(service) == "3"


def test_the_record_of_the_job_holds_the_comparison(service: Service, paths: Paths) -> None:
    for wrong in ("20", "5"):
        fit(service, wrong=wrong, promote="better:accuracy:0.1", holdout="0.25")
    second = JobStore(paths, keep=10, log_bytes=0).list()[0]
    compared = second.comparison
    assert compared
    assert (compared.metric, compared.old_version, compared.gain, compared.held_out) == ("accuracy", 1, 0.1, True)
    assert f"({compared})" in second.message


def test_a_gain_that_is_too_small_promotes_nothing(service: Service) -> None:
    fit(service, wrong="20", holdout="0.25")
    assert "stays current" in fit(service, wrong="15", promote="better:accuracy:0.2", holdout="0.25")
    assert current(service) == "1"


def test_the_fit_does_not_see_what_is_held_out(service: Service) -> None:
    fit(service, holdout="0.5")
    rows = int(service.apply("algo", "x\n1\n")["results"].split()[1].split(",")[1])
    assert 150 < rows < 250


def test_without_a_holdout_nothing_is_compared_and_that_is_said(service: Service) -> None:
    fit(service, wrong="20", holdout="0.25")
    kept = fit(service, wrong="10", promote="better:accuracy")
    assert "(accuracy was not compared with version 1: version 2 has seen every row that was sent; add holdout" in kept
    assert current(service) == "1"


def test_a_metric_that_is_missing_promotes_nothing(service: Service) -> None:
    fit(service, holdout="0.25", labels="text")
    assert "r2 missing against missing" in fit(service, promote="better:r2", holdout="0.25", labels="text")
    assert current(service) == "1"


def test_promote_manual_stores_only_but_the_first_version_is_current(service: Service) -> None:
    assert "is now current" in fit(service, promote="manual")
    assert "dltk models promote algo m 2" in fit(service, promote="manual")
    assert current(service) == "1"


def test_a_rolled_back_model_moves_on_with_the_next_promoted_fit(service: Service) -> None:
    for wrong in ("20", "10"):
        fit(service, wrong=wrong)
    service.send("/v1/models/algo/m/rollback", b"")
    assert current(service) == "1"
    assert "Version 3 of model 'm' is now current" in fit(service)


@pytest.mark.parametrize(
    ("parameters", "promotion"),
    [
        ({}, PromotionOption()),
        ({"promote": '"manual"'}, PromotionOption(PromotionRule.MANUAL)),
        ({"promote": "better:f1:0.002"}, PromotionOption(PromotionRule.BETTER, "f1", 0.002)),
    ],
)
def test_promotion_rules_are_read(parameters: dict[str, str], promotion: PromotionOption) -> None:
    assert fit_options(parameters).promotion == promotion


@pytest.mark.parametrize(
    "parameters",
    [
        {"promote": "always"},
        {"promote": "better"},
        {"promote": "better:acuracy"},
        {"promote": "better:f1:-1"},
        {"promote": "better:f1:nan"},
        {"holdout": "1"},
        {"holdout": "-0.1"},
        {"holdout": "some"},
        {"with_version": "maybe"},
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(parameters: dict[str, str]) -> None:
    (name,) = parameters
    with pytest.raises(OptionInvalid, match=f"^Invalid {name}="):
        fit_options(parameters)


@pytest.mark.parametrize(("value", "end"), [("better", "rmse."), ("better:acuracy", "rmse. Did you mean 'accuracy'?")])
def test_the_metrics_are_listed_in_one_sentence(value: str, end: str) -> None:
    with pytest.raises(OptionInvalid) as caught:
        fit_options({"promote": value})
    assert caught.value.sentence.endswith(end)


def test_an_unknown_mode_is_a_warning() -> None:
    found = fit_options({"mode": "later"})
    assert not found.asynchronous
    with pytest.raises(OptionInvalid, match=r"^Invalid mode='later'"):
        fit_options({"mode": "later"}, refuse_unknown=True)
    assert found.warnings == ("mode='later' is unknown and ignored: it can be async, sync, stage or register",)


def test_what_the_notebook_takes_is_not_read() -> None:
    given = {"mode": "async", "holdout": "24", "promote": "never", "with_version": "maybe"}
    assert fit_options(given, taken=given) == FitOptions()


@pytest.mark.parametrize(
    ("metric", "new", "old", "better"),
    [
        ("f1", 0.9, 0.8, True),
        ("f1", 0.8, 0.9, False),
        ("f1", 0.9, 0.9, False),
        ("rmse", 1.0, 2.0, True),
        ("mae", 2.0, 1.0, False),
        ("r2", float("nan"), 0.1, False),
        ("r2", None, 0.1, False),
        ("r2", 0.1, None, False),
    ],
)
def test_better_is_higher_or_lower_by_metric(metric: str, new: float | None, old: float | None, better: bool) -> None:
    assert PromotionOption(PromotionRule.BETTER, metric).improves(new, old) is better
