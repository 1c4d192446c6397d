"""The wire format of the AI Toolkit's ``| apply CDTSM`` with a server of one's own (protocol 6).

Asked is ``POST /cdtsm/v1/ai/infer?horizon=128`` with one entry for each series: its past in fine steps
and in means of 60 of them. A notebook forecasts (`DLTK_FORECASTER`): each entry is a row of `ROWS`,
whose cells are JSON arrays, and it returns a row with a cell for the mean and for each quantile.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from dltk_runtime.call import Request
from dltk_runtime.errors import BodyInvalid, RequestError, shown
from dltk_runtime.names import ModelName
from dltk_runtime.payload import Payload
from dltk_runtime.units import MIB

ROUTE = "/cdtsm/v1/ai/infer"
DEFAULT_HORIZON = 128  # steps
MAX_HORIZON = 4096  # steps
MAX_SERIES = 500  # in a request, as the toolkit sends at most
MAX_CONTEXT_STEPS = 31_232  # of a past, the most that the toolkit makes use of
MAX_VALUES = 1_000_000  # in an answer
MAX_BODY_BYTES = 64 * MIB
ROWS = ("coarse_ctx", "fine_ctx")
MEAN = "mean"
QUANTILES = tuple(f"p{percent}" for percent in (1, 5, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 99))


class _Series(msgspec.Struct):
    coarse_ctx: list[float | None]
    fine_ctx: list[float | None]


class _Metadata(msgspec.Struct):
    quantiles: list[str] = []


class _Body(msgspec.Struct):
    payload: list[_Series]
    model: str = "CDTSM"
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


_body = msgspec.json.Decoder(_Body)
_numbers = msgspec.json.Decoder(list[float])


class ForecastInvalid(RequestError):
    """The notebook's rows are no forecast of what was asked."""

    http_status = 502

    def __init__(self, forecaster: ModelName, problem: str) -> None:
        super().__init__(
            f"{forecaster.algorithm} returned no forecast that can be sent on: {problem}. It must return one row for "
            "each row that it gets, with JSON arrays of 'horizon' numbers; see app/model/quantiles.py."
        )


@dataclass(frozen=True, slots=True)
class ForecastRequest:
    """A decoded request: how many series, steps ahead, and the labels of the quantiles."""

    rows: Payload
    series: int
    horizon: int
    quantiles: tuple[str, ...]
    model: str

    def request(self, forecaster: ModelName) -> Request:
        """Make the apply that asks the forecaster, whichever fields it was fitted on."""
        params = {"algo": forecaster.algorithm, "horizon": str(self.horizon), "quantiles": ",".join(self.quantiles)}
        options = {"params": params, "feature_variables": list(ROWS), "model_name": forecaster.model}
        made = Request.of(self.rows, {"options": options, "feature_variables": list(ROWS)})
        return replace(made, fields_of_fit=False)


def decode(body: bytes, horizon: str | None) -> ForecastRequest:
    """Decode a request; `horizon` is the parameter of its query.

    Raises:
        BodyInvalid: naming the first part that is not as the toolkit sends it.
    """
    try:
        asked = _body.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyInvalid(f"The body is no request for forecasts: {error}.") from error
    if not 1 <= len(asked.payload) <= MAX_SERIES:
        raise BodyInvalid(f"'payload' has {len(asked.payload)} series: expected 1 to {MAX_SERIES}.")
    steps = _horizon(horizon)
    labels = tuple(dict.fromkeys(label for label in asked.metadata.quantiles if label != MEAN))
    if unknown := [label for label in labels if label not in QUANTILES]:
        raise BodyInvalid(f"'metadata.quantiles' has {shown(unknown[0])}: expected mean, {', '.join(QUANTILES)}.")
    if len(asked.payload) * steps * (len(labels) + 1) > MAX_VALUES:
        raise BodyInvalid(f"The answer would have more than {MAX_VALUES:,} numbers. Send fewer series at a time.")
    return ForecastRequest(_rows(asked.payload), len(asked.payload), steps, labels, asked.model)


def _horizon(text: str | None) -> int:
    if text is None:
        return DEFAULT_HORIZON
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_HORIZON):
        raise BodyInvalid(f"horizon={shown(text)} is invalid: expected steps, 1 to {MAX_HORIZON}.")
    return int(text)


def _rows(series: Sequence[_Series]) -> Payload:
    """Return the series as CSV; arrays of numbers need no other quoting than quotes around them."""
    lines = [",".join(ROWS)]
    for number, each in enumerate(series):
        for name, values in zip(ROWS, (each.coarse_ctx, each.fine_ctx), strict=True):
            if len(values) > MAX_CONTEXT_STEPS:
                raise BodyInvalid(f"'payload[{number}].{name}' has more than {MAX_CONTEXT_STEPS:,} numbers.")
        if not any(value is not None for value in each.fine_ctx):
            raise BodyInvalid(f"'payload[{number}].fine_ctx' has no number.")
        cells = (msgspec.json.encode(values).decode() for values in (each.coarse_ctx, each.fine_ctx))
        lines.append(",".join(f'"{cell}"' for cell in cells))
    return Payload("\n".join([*lines, ""]).encode(), escaped=False)


def answer(asked: ForecastRequest, results: Payload, request_id: str, forecaster: ModelName) -> bytes:
    """Encode the answer from the forecaster's rows.

    Raises:
        ForecastInvalid: they are not what was asked.
    """
    text = msgspec.json.decode(results.view(), type=str) if results.escaped else str(results.view(), "utf-8")
    try:
        rows = list(csv.DictReader(io.StringIO(text)))
        predictions = [_prediction(row, asked) for row in rows]
    except (csv.Error, msgspec.DecodeError, LookupError, TypeError, ValueError) as error:
        raise ForecastInvalid(forecaster, f"{type(error).__name__}: {error}") from error
    if len(rows) != asked.series:
        raise ForecastInvalid(forecaster, f"{len(rows)} rows for {asked.series} series")
    fields = {"request_id": request_id, "model": asked.model, "horizon": asked.horizon, "predictions": predictions}
    return msgspec.json.encode(fields)


def _prediction(row: dict[str, str], asked: ForecastRequest) -> dict[str, Any]:
    values = {label: _numbers.decode(row[label]) for label in (MEAN, *asked.quantiles)}
    for label, numbers in values.items():
        if len(numbers) != asked.horizon or not all(map(math.isfinite, numbers)):
            raise ValueError(f"{label} has {len(numbers)} numbers for {asked.horizon} steps")
    return {MEAN: values.pop(MEAN), "quantiles": _never_crossing(values)}


def _never_crossing(quantiles: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return the quantiles, sorted at each step, by the labels in their order."""
    order = sorted(quantiles, key=QUANTILES.index)
    steps = zip(*(quantiles[label] for label in order), strict=True)
    rising = dict(zip(order, zip(*map(sorted, steps), strict=True), strict=True))
    return {label: list(rising[label]) for label in quantiles}
