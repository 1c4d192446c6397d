"""An apply that comes with another algorithm than its model was fitted with; other fields: `test_choice.py`."""

from __future__ import annotations

import pytest

from tests.support.service import Service, until

NOTEBOOKS = {"first": {}, "third": {}, "second": {"fit": "def fit(model, df, param): 1 / 0"}}
FITS = [("first", "old,both,y\n1,2,0\n", "m_first", "y")]
pytestmark = pytest.mark.server(notebooks=NOTEBOOKS, fits=FITS)


def test_an_algorithm_that_never_fitted_the_model_is_named_beside_the_one_that_did(service: Service) -> None:
    service.fit("second", "old,both\n1,2\n", model="m_first")  # fails, and leaves Splunk's stub with its name
    message = service.apply("second", "old,both\n1,2\n", model="m_first")["message"]
    assert message.startswith("/apply: ERROR: unable to apply model. The search asks the model 'm_first' for the ")
    assert "algorithm 'second', and version 1 of it is of 'first'" in message
    assert "use another model name for other features" in message
    assert "| apply m_first algo=first" in message


def test_an_algorithm_whose_model_another_one_was_fitted_into_later_is_named_beside_that_one(service: Service) -> None:
    for algorithm in ("first", "third", "third"):
        assert service.fit(algorithm, "old,both\n1,2\n", model="shared")["status"] == "success"
    said = "/apply done successfully. WARNING: the search asks the model 'shared' for the algorithm 'first', "
    message = service.apply("first", "old,both\n1,2\n", model="shared")["message"]
    assert message.startswith(said + "and version 2 of 'third' was fitted into it later: use another model name")
    assert service.apply("third", "old,both\n1,2\n", model="shared")["message"] == "/apply done successfully"
    service.fit("first", "old,both\n1,2\n", model="shared")
    until(lambda: service.apply("first", "old,both\n1,2\n", model="shared")["message"] == "/apply done successfully")


@pytest.mark.parametrize("data", ["old,both\n1,2\n", "both,old\n2,1\n", "old,both,y\n1,2,0\n"])
def test_nothing_is_said_of_the_same_features_or_the_target(service: Service, data: str) -> None:
    assert service.apply("first", data, model="m_first")["message"] == "/apply done successfully"
