"""The AI Toolkit's ``| apply CDTSM`` against the container as its self-hosted server."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_notebook
from tests.support.service import ROOT, Service

pytestmark = pytest.mark.process

STEPS = 512  # of the fine past, as the toolkit sends
# A forecaster of one's own: the last value goes on, and its quantiles cross.
LAST = """
    import json

    def apply(model, df, param):
        rows = []
        for text in df["fine_ctx"]:
            steps = int(param["options"]["params"]["horizon"])
            last = json.loads(text)[-1]
            labels = param["options"]["params"]["quantiles"].split(",")
            rows.append({"mean": [last] * steps} | {label: [-float(label[1:])] * steps for label in labels})
        return pd.DataFrame([{name: json.dumps(cell) for name, cell in row.items()} for row in rows])
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server with the forecaster that the image has."""
    home = tmp_path_factory.mktemp("forecasts") / "home"
    with Service(home, ROOT / "notebooks", DLTK_SPARES="0") as running:
        yield running


def infer(
    service: Service, series: list[dict[str, Any]], horizon: int, quantiles: list[str], token: str | None = None
) -> dict[str, Any]:
    """Ask as the toolkit does: the whole URL stands in mlspl.conf, the token is a bearer's."""
    body = {"payload": series, "model": "CDTSM", "metadata": {"quantiles": quantiles}}
    headers = {"Content-Type": "application/json", "request_id": "made-up-id"}
    headers["Authorization"] = f"Bearer {service.token if token is None else token}"
    url = f"{service.url}/cdtsm/v1/ai/infer?horizon={horizon}"
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=300) as answer:
        return dict(json.loads(answer.read()))


def refused(service: Service, *arguments: Any, **more: Any) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as error:
        infer(service, *arguments, **more)
    with error.value as answer:
        return answer.code, answer.read().decode()


def wave(step: int, period: int = 24) -> float:
    return 10 + 3 * math.sin(2 * math.pi * step / period)


def test_the_connection_test_of_the_toolkit_succeeds(service: Service) -> None:
    answer = infer(service, [{"coarse_ctx": [0.0], "fine_ctx": [0.0] * STEPS}], 1, ["mean"])
    assert answer["predictions"] == [{"mean": [0.0], "quantiles": {}}]


def test_a_season_is_forecast_with_quantiles_that_never_cross(service: Service) -> None:
    noisy = [wave(step) + math.sin(step * step) / 4 for step in range(STEPS)]
    labels = ["p99", "p1", "p10", "p50", "p90"]
    answer = infer(service, [{"coarse_ctx": [], "fine_ctx": noisy}], 128, ["mean", *labels])
    assert (answer["request_id"], answer["model"], answer["horizon"]) == ("made-up-id", "CDTSM", 128)
    (found,) = answer["predictions"]
    errors = [abs(value - wave(STEPS + step)) for step, value in enumerate(found["mean"])]
    assert sum(errors) / 128 < 0.5, "half of what the last value alone would miss is 1"
    assert list(found["quantiles"]) == labels
    rising = [found["quantiles"][label] for label in ("p1", "p10", "p50", "p90", "p99")]
    assert all(list(step) == sorted(set(step)) for step in zip(*rising, strict=True))


def test_a_season_that_only_the_coarse_past_shows_is_forecast(service: Service) -> None:
    """A day of minutes: the fine past has 512 of its 1,440 steps."""
    period = 1440
    past = [wave(step, period) for step in range(period * 14)]
    coarse = [sum(past[start : start + 60]) / 60 for start in range(0, len(past), 60)]
    answer = infer(service, [{"coarse_ctx": coarse, "fine_ctx": past[-STEPS:]}], 120, ["p10", "p90"])
    mean = answer["predictions"][0]["mean"]
    assert abs(mean[-1] - wave(len(past) + 119, period)) < 1, "the value changes by 1.5 until then"


@pytest.mark.parametrize("fine", [[5.0], [1.0, 2.0, 3.0], [None, 4.0, None, 4.0], [7.0] * STEPS])
def test_short_and_flat_series_are_forecast_too(service: Service, fine: list[float | None]) -> None:
    answer = infer(service, [{"coarse_ctx": [], "fine_ctx": fine}], 6, ["p10", "p90"])
    assert answer["predictions"][0]["mean"] == [fine[-1]] * 6


def test_what_cannot_be_forecast_is_said_with_a_status(service: Service) -> None:
    series = [{"coarse_ctx": [], "fine_ctx": [1.0]}]
    assert refused(service, series, 6, ["p10"], token="wrong")[0] == 401
    status, text = refused(service, series, 6, ["p11"])
    assert (status, "p11" in text) == (400, True)
    assert refused(service, [], 6, ["p10"])[0] == 400


def test_both_probes_answer_without_a_token(service: Service) -> None:
    for path, status in (("/health", "ok"), ("/ready", "ready")):
        assert json.loads(service.send(path, None, token="")) == {"status": status, "service": "dltk-runtime"}


def test_any_forecaster_answers_by_its_name(tmp_path: Path) -> None:
    write_notebook(tmp_path / "notebooks", "last_value", apply=LAST)
    variables = {"DLTK_FORECASTER": "last_value/mine", "DLTK_SPARES": "0"}
    with Service(tmp_path / "home", tmp_path / "notebooks", **variables) as service:
        assert service.fit("last_value", "fine_ctx\n[1]\n", "mine", horizon="1", quantiles="p10")["status"] == "success"
        answer = infer(
            service, [{"coarse_ctx": [], "fine_ctx": [1, 2]}, {"coarse_ctx": [], "fine_ctx": [3]}], 2, ["p90", "p10"]
        )
        crossing = {"p90": [-10.0, -10.0], "p10": [-90.0, -90.0]}
        assert answer["predictions"] == [{"mean": [last] * 2, "quantiles": crossing} for last in (2.0, 3.0)]
        (event,) = [event for event in service.events() if event["event"] == "/cdtsm/v1/ai/infer"]
        assert (event["outcome"], event["algorithm"], event["version"]) == ("success", "last_value", 1)
