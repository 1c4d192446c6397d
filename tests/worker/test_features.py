"""The feature check: an apply names the fields of the fit that it lacks or has in another kind."""

from __future__ import annotations

import pytest

from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.support.service import Service, meta_for

NOTEBOOKS = {"algo": {}, "needs": {"apply": "def apply(model, df, param):\n    return df['bytes_in']"}}
DROPS = "def apply(model, df, param):\n    return df.dropna()"
NOTEBOOKS |= {"drops": {"apply": DROPS}}
MODELS = {"drops": "dropped", "needs": "m", "algo": "m"}
FITS = [(algorithm, "bytes_in,host,y\n1,a,0\n2,b,1\n", model, "y") for algorithm, model in MODELS.items()]
pytestmark = [pytest.mark.process, pytest.mark.server(notebooks=NOTEBOOKS, fits=FITS)]


def test_rows_with_empty_fields_that_have_no_result_are_counted(service: Service) -> None:
    rows = "bytes_in,host\n1,a\n,b\n3,\n4,d\n"
    counted = "WARNING: 2 of the 4 rows that were sent have no result, and 2 have an empty field: fill them"
    assert counted in service.apply("drops", rows, model="dropped")["message"]
    assert counted in service.fit("drops", rows, model="dropped")["message"]
    assert "no result" not in service.apply("drops", "bytes_in,host\n1,a\n", model="dropped")["message"]


def test_a_missing_feature_is_a_warning_with_its_nearest_neighbour(service: Service) -> None:
    rows = "bytesin,host\n1,a\n"
    answer = service.post("/apply", rows, meta_for("bytes_in,host\n", "m", {"algo": "algo"}))
    assert answer["status"] == "success"
    assert "WARNING: the request lacks the field 'bytes_in'; sent was 'bytesin'" in answer["message"]
    assert "Splunk does not send a column that is empty in the whole chunk" in answer["message"]


def test_the_target_is_not_missed(service: Service) -> None:
    assert service.apply("algo", "host,bytes_in\na,1\n")["message"] == "/apply done successfully"


def test_integers_for_floats_are_no_change_but_text_is(service: Service) -> None:
    assert service.apply("algo", "bytes_in,host\n1.5,a\n")["message"] == "/apply done successfully"
    changed = service.apply("algo", "bytes_in,host\nmany,a\n")["message"]
    assert "the field 'bytes_in' holds texts and held numbers at the fit" in changed


def test_what_is_missing_leads_the_error_that_comes_of_it(service: Service) -> None:
    message = service.apply("needs", "host\na\n")["message"]
    assert message.startswith("/apply: ERROR: unable to apply model. the request lacks the field 'bytes_in'")
    assert "KeyError: 'bytes_in' (at needs.ipynb, cell 4 (mltkc_apply), line 2" in message


def test_a_setting_refuses_instead(paths: Paths, make_notebook: MakeNotebook) -> None:
    make_notebook("algo")
    with Service(paths.home, paths.notebooks, DLTK_REFUSE_MISSING="true") as service:
        service.fit("algo", "a,b\n1,2\n")
        assert service.apply("algo", "a\n1\n")["status"] == "error"
        assert service.apply("algo", "a,b\n1,2\n")["status"] == "success"
