"""Two servers without a common volume, over a real S3 server: what one fits, the other applies.

It needs moto's server: ``make objects``.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import write_notebook
from tests.store.objects.moto import BUCKET, CREDENTIALS, SERVER, moto
from tests.support.service import Service

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not SERVER.exists(), reason="no S3 server: make objects"),
]
ROWS = "a,b\n1,2\n3,4\n"
SECRET = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    folder = tmp_path_factory.mktemp("fronts")
    notebooks = folder / "notebooks"
    write_notebook(notebooks, "healthy")
    seen = """
        def apply(model, df, param):
            import os
            return pd.DataFrame({"seen": [str(sorted(os.environ.values()))] * len(df)})
    """
    write_notebook(notebooks, "curious", apply=seen)
    with moto() as port:
        variables = CREDENTIALS | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "DLTK_STORE": f"s3://{BUCKET}/fronts",
            "DLTK_KEEP_VERSIONS": "1",
        }
        with (
            Service(folder / "one", notebooks, **variables) as one,
            Service(folder / "two", notebooks, **variables) as two,
        ):
            yield [one, two]


def test_what_one_server_fits_the_other_applies_and_fits_on(fronts: list[Service]) -> None:
    one, two = fronts
    assert one.fit("healthy", ROWS)["status"] == "success"
    first = [front.apply("healthy", ROWS) for front in fronts]
    assert first[0]["status"] == "success", first[0]
    assert first[0] == first[1]
    answer = two.fit("healthy", ROWS)
    assert "Version 2 of model 'm' is now current" in answer["message"]
    found = [front.apply("healthy", ROWS, with_version="t") for front in fronts]
    assert [("2" in each["results"], each["status"]) for each in found] == [(True, "success")] * 2
    assert not Path(two.home, "app", "model", "data", "versions", "healthy").exists()


def test_a_server_that_is_killed_loses_no_version_and_goes_on(fronts: list[Service]) -> None:
    one = fronts[0]
    assert one.fit("healthy", ROWS, model="k")["status"] == "success"
    one.restart(signal.SIGKILL)
    for front in fronts:
        assert front.apply("healthy", ROWS, model="k")["status"] == "success"
    assert "Version 2 of model 'k' is now current" in one.fit("healthy", ROWS, model="k")["message"]


def test_no_notebook_and_no_log_has_the_credentials(fronts: list[Service]) -> None:
    one, two = fronts
    answer = one.fit("curious", ROWS, model="c")
    assert answer["status"] == "success", answer
    assert SECRET not in str(answer)
    assert SECRET not in str(two.apply("curious", ROWS, model="c"))
    for front in fronts:
        assert SECRET not in front.log.read_text()
        for path in front.home.rglob("*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
