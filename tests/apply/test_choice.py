"""Which version answers: the current one wherever its fields allow it, else the last promoted one that has the fields.

Each answer of the notebook repeats the number of rows that its version was fitted on.
"""

from __future__ import annotations

from typing import Any

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelName, ModelStore
from tests.support.service import Service, meta_for

RAISING = """
def apply(model, df, param):
    if len(df) == 1:
        raise ValueError("one row is too few")
    return pd.DataFrame({"n": [len(df)] * len(df)})
"""
NOTEBOOKS = {"algo": {}, "other": {}, "raising": {"apply": RAISING}}
pytestmark = pytest.mark.server(notebooks=NOTEBOOKS, DLTK_KEEP_VERSIONS="1")


def rows(names: str, number: int) -> str:
    return names + "\n" + (",".join("1" for _ in names.split(",")) + "\n") * number


def fit(service: Service, names: str, number: int, model: str, algo: str = "algo", **params: str) -> str:
    answer = service.fit(algo, rows(names, number), model=model, target="y", **params)
    assert answer["status"] == "success", answer
    return str(answer["message"])


def apply(service: Service, names: str, model: str, args: str = "", algo: str = "algo") -> dict[str, Any]:
    """Apply a row, with the words of the fit that the stub repeats (default: those of the last fit)."""
    if not args:
        return service.apply(algo, rows(names, 1), model=model)
    meta = meta_for(rows(names, 1), model, {"algo": algo})
    meta["options"]["args"] = args.split(",")
    return service.post("/apply", rows(names, 1), meta)


def fitted_rows(answer: dict[str, Any]) -> int:
    assert answer["status"] == "success", answer
    return int(answer["results"].split()[1])


def test_a_chunk_without_one_column_is_the_current_versions(service: Service) -> None:
    fit(service, "a,b,y", 3, "chunk")
    fit(service, "a,y", 4, "chunk")
    fit(service, "a,b,y", 5, "chunk")
    answer = apply(service, "a", "chunk")  # the words are those of the last fit
    assert fitted_rows(answer) == 5
    assert "the request lacks the field 'b', which the model was fitted on" in answer["message"]


def test_a_stub_of_before_a_refused_candidate_is_answered_by_the_current_version(service: Service) -> None:
    fit(service, "a,b,y", 3, "before")
    fit(service, "a,b,c,y", 4, "before", promote="manual")
    answer = apply(service, "a,b", "before", args="a,b,y")
    assert (fitted_rows(answer), answer["message"]) == (3, "/apply done successfully")


def test_the_stub_of_a_refused_candidate_is_refused_by_name(service: Service) -> None:
    fit(service, "a,b,y", 3, "candidate")
    said = fit(service, "a,b,c,y", 4, "candidate", promote="manual")
    assert "WARNING: this fit has the fields 'a', 'b', 'c'; version 1 of model 'candidate', current before it, " in said
    assert "has 'a', 'b'. Splunk's searches ask for those of the last fit from now on, and they are refused" in said
    assert "fit again as before, or use another model name for other fields" in said
    answer = apply(service, "a,b,c", "candidate")
    assert answer["status"] == "error"
    assert answer["message"].startswith(
        "/apply: ERROR: unable to apply model. The search has the fields 'a', 'b', 'c'; version 1 of model 'candidate'"
    )
    assert "was fitted on 'a', 'b', and no promoted version on those of the search" in answer["message"]
    service.send("/v1/models/algo/candidate/promote/2", b"")
    assert fitted_rows(apply(service, "a,b,c", "candidate")) == 4


def test_after_a_rollback_the_stub_is_answered_by_the_version_that_has_its_fields(service: Service) -> None:
    fit(service, "a,y", 3, "back")
    fit(service, "a,b,y", 4, "back")
    service.send("/v1/models/algo/back/rollback", b"")
    answer = apply(service, "a,b", "back")
    assert fitted_rows(answer) == 4
    assert (
        "WARNING: version 2 answered, not version 1, the current one: the search has the fields " in answer["message"]
    )
    assert fitted_rows(apply(service, "a", "back", args="a,y")) == 3


def test_fewer_fields_with_other_words_are_answered_by_the_version_of_these_words(service: Service) -> None:
    fit(service, "a,y", 3, "fewer")
    fit(service, "a,b,y", 4, "fewer")
    answer = apply(service, "a", "fewer", args="a,y")
    assert fitted_rows(answer) == 3
    assert "version 1 answered, not version 2, the current one" in answer["message"]
    assert fitted_rows(apply(service, "a", "fewer", args="a,b,y")) == 4


def test_a_failure_says_which_version_answered_too(service: Service) -> None:
    fit(service, "a,y", 3, "failing", algo="raising")
    fit(service, "a,b,y", 4, "failing", algo="raising")
    answer = apply(service, "a", "failing", args="a,y", algo="raising")
    assert answer["status"] == "error"
    assert "one row is too few" in answer["message"]
    assert "Mind that version 1 answered, not version 2, the current one: " in answer["message"]


def test_fewer_fields_that_no_version_has_alone_are_the_current_versions(service: Service) -> None:
    fit(service, "a,b,y", 3, "alone")
    answer = apply(service, "a", "alone", args="a,y")
    assert fitted_rows(answer) == 3
    assert "the request lacks the field 'b'" in answer["message"]


def test_a_rollback_stays_in_force_where_the_fields_allow_it(service: Service) -> None:
    fit(service, "a,b,y", 3, "stays")
    fit(service, "a,b,y", 4, "stays")
    service.send("/v1/models/algo/stays/rollback", b"")
    answer = apply(service, "a,b", "stays")
    assert (fitted_rows(answer), answer["message"]) == (3, "/apply done successfully")


def test_a_stub_of_another_algorithm_is_answered_by_that_one(service: Service) -> None:
    fit(service, "a,y", 3, "both")
    said = fit(service, "a,b,y", 4, "both", algo="other")
    assert "this fit has the algorithm 'other' and the fields 'a', 'b'; version 1 of model 'both'" in said
    assert "current before it, has 'algo' and 'a'." in said
    assert "use another model name for other algorithms" in said
    assert fitted_rows(apply(service, "a,b", "both", algo="other")) == 4
    assert fitted_rows(apply(service, "a", "both", args="a,y")) == 3


def test_a_version_that_answers_is_not_pruned(service: Service) -> None:
    fit(service, "a,y", 3, "pruned")
    fit(service, "a,b,y", 4, "pruned")
    assert fitted_rows(apply(service, "a", "pruned", args="a,y")) == 3
    for number in range(5, 8):
        fit(service, "a,b,y", number, "pruned")
    store = ModelStore.open(Paths(service.home, service.notebooks), keep=1)
    assert [each.number for each in store.versions(ModelName("algo", "pruned"))] == [1, 4, 5]
    assert fitted_rows(apply(service, "a", "pruned", args="a,y")) == 3
