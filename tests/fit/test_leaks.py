"""No comparison of two versions uses a row that either has seen; where none is left, nothing is decided.

One notebook learns its rows by heart, another one knows the rule behind them: only rows that neither has seen can tell
which is better. The rule is right on 9 of 10 rows, the memory on all that it has seen and on half of the others.
"""

from __future__ import annotations

import pytest

from dltk_runtime.jobs.record import Comparison
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelName, ModelStore, Version
from tests.support.service import Service

FIT = """
    def fit(model, df, param):
        model["memory"] = None
        if param["options"]["params"].get("by") == "heart":
            model["memory"] = {str(x): int(y) for x, y in zip(df["x"], df["y"])}
        said = apply(model, df, param)["said"]
        return {"metrics": {"accuracy": float((said == df["y"]).mean())}}
"""
APPLY = """
    def apply(model, df, param):
        rule = df["x"] % 2
        if model["memory"] is not None:
            rule = [model["memory"].get(str(x), 0) for x in df["x"]]
        return pd.DataFrame({"said": rule}).astype(int)
"""
BETTER = {"promote": "better:accuracy", "by": "rule"}
pytestmark = pytest.mark.server(notebooks={"algo": {"fit": FIT, "apply": APPLY}})


def table(numbers: range) -> str:
    """Rows whose target is odd or even, but for each tenth one."""
    return "x,y\n" + "".join(f"{x},{(x % 2) ^ (x % 10 == 7)}\n" for x in numbers)


OLD, NEW = table(range(300)), table(range(300, 700))


def fit(service: Service, model: str, data: str, **params: str) -> str:
    answer = service.fit("algo", data, model=model, target="y", **params)
    assert answer["status"] == "success", answer
    return str(answer["message"])


def right(service: Service, model: str) -> float:
    """The share of rows that no version has seen, on which the current version is right."""
    numbers = range(5000, 5400)
    answer = service.apply("algo", "x\n" + "\n".join(map(str, numbers)) + "\n", model=model)
    said = [int(line.split(",")[0]) for line in answer["results"].split()[1:]]
    return sum(each == (x % 2) ^ (x % 10 == 7) for each, x in zip(said, numbers, strict=True)) / len(numbers)


def comparison(service: Service) -> Comparison:
    found = JobStore(Paths(service.home, service.notebooks), keep=100, log_bytes=0).list()[0].comparison
    assert found is not None
    return found


def version(service: Service, model: str, number: int) -> Version:
    return ModelStore.open(Paths(service.home, service.notebooks), keep=5).get(ModelName("algo", model), number)


def test_a_default_fit_and_then_a_holdout_decide_nothing_on_the_same_rows(service: Service) -> None:
    fit(service, "default", OLD, by="heart")
    kept = fit(service, "default", OLD, holdout="0.3", **BETTER)
    assert "Version 2 of model 'default' is stored, but version 1 stays current" in kept
    assert "accuracy was not compared with version 1: every row that was sent was seen by version 1" in kept
    assert "send rows that are new to both, or fit once with promote=auto and holdout=0.2" in kept
    assert (comparison(service).new, comparison(service).old, comparison(service).rows) == (None, None, 0)
    promoted = fit(service, "default", OLD + NEW.split("\n", 1)[1], holdout="0.3", **BETTER)
    assert "Version 3 of model 'default' is now current (accuracy 0." in promoted
    assert right(service, "default") == 0.9
    assert comparison(service).held_out
    assert comparison(service).rows <= 400 * 0.4  # of the new rows alone


def test_two_holdouts_compare_only_what_both_held_out(service: Service) -> None:
    fit(service, "two", OLD, by="heart", holdout="0.1")
    promoted = fit(service, "two", OLD, holdout="0.5", **BETTER)
    assert "Version 2 of model 'two' is now current" in promoted
    found = comparison(service)
    assert 0 < found.rows < 300 * 0.2
    assert found.new is not None
    assert found.old is not None
    assert found.new > 0.75 > found.old
    assert right(service, "two") == 0.9


def test_the_same_rows_twice_decide_nothing(service: Service) -> None:
    fit(service, "twice", OLD, by="rule")
    heart = BETTER | {"by": "heart"}
    kept = fit(service, "twice", OLD, **heart)
    assert "version 2 has seen every row that was sent; add holdout=0.2 to keep rows from the fit" in kept
    again = fit(service, "twice", OLD + OLD.split("\n", 1)[1], holdout="0.2", **heart)
    assert "accuracy was not compared with version 1" in again
    assert right(service, "twice") == 0.9


def test_rows_without_a_field_that_the_current_version_knows_them_by_decide_nothing(service: Service) -> None:
    wider = "z," + OLD.replace("\n", "\n1,").removesuffix("1,")
    fit(service, "narrower", wider, by="heart")
    kept = fit(service, "narrower", OLD, holdout="0.3", **BETTER)
    assert (
        "accuracy was not compared with version 1: version 1 was fitted on 'z', too, which this fit was not sent"
        in kept
    )
    assert "fit with these fields as well, or use another model name)" in kept


def test_the_same_rows_with_booleans_as_text_decide_nothing(service: Service) -> None:
    flagged = f"flag,{OLD}".replace("\n", "\ntrue,").removesuffix("true,")
    fit(service, "flag", flagged, by="rule")
    kept = fit(service, "flag", f"{flagged}maybe,9000,0\n", holdout="0.3", **BETTER)
    assert "accuracy was not compared with version 1: every row that was sent was seen" in kept


def test_a_first_fit_is_compared_with_nothing(service: Service) -> None:
    assert "Version 1 of model 'first' is now current." in fit(service, "first", OLD, holdout="0.2", **BETTER)
    assert JobStore(Paths(service.home, service.notebooks), keep=100, log_bytes=0).list()[0].comparison is None


def test_figures_are_kept_and_shown_by_where_they_come_from(service: Service) -> None:
    message = fit(service, "figures", OLD, by="heart", holdout="0.3")
    manifest = version(service, "figures", 1).manifest()
    assert manifest.train["accuracy"] == 1.0
    assert manifest.holdout is not None
    assert manifest.holdout.metrics["accuracy"] is not None
    assert manifest.holdout.metrics["accuracy"] < 0.8
    assert manifest.holdout.rows < 300 * 0.4
    assert "Metrics: train accuracy=1; holdout accuracy=0." in message
    assert message.endswith(
        f"; holdout accuracy={manifest.holdout.metrics['accuracy']:.4g} ({manifest.holdout.rows} rows)."
    )
    assert "Metrics: train accuracy=1." in fit(service, "plain", OLD, by="heart")


def test_what_a_comparison_measured_is_kept_beside_both_manifests(service: Service) -> None:
    fit(service, "later", OLD, by="rule", holdout="0.3")
    before = (version(service, "later", 1).folder / "version.json").read_bytes()
    fit(service, "later", OLD, holdout="0.3", **BETTER)
    first, second = (version(service, "later", number).scores()[-1] for number in (1, 2))
    assert (first.source, first.rows) == (second.source, second.rows) == ("rows of the fit of version 2", first.rows)
    assert first.metrics["accuracy"] == comparison(service).old
    assert (version(service, "later", 1).folder / "version.json").read_bytes() == before
