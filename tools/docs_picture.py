"""Draw `docs/results.png`, the picture in the README, from searches against a real server.

Run it with ``.venv/bin/python tools/docs_picture.py`` after a change of the notebooks that it uses.
"""

from __future__ import annotations

import csv
import io
import os
import subprocess
import tempfile
from pathlib import Path

import matplotlib as mpl
from demo import DLTK, ROOT, runtime
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PICTURE = ROOT / "docs" / "results.png"
YEAR_SECONDS = 365.25 * 86400
EPOCH_YEAR = 1970
SHOWN_HOURS = 168

ANOMALIES = """| inputlookup sea_temperature.csv
| fit MLTKContainer algo=anomaly_detection_ecod contamination=0.02 value into app:sea
| table _time value predicted_outlier predicted_score"""

FORECAST = """| inputlookup requests.csv
| fit MLTKContainer algo=univariate_rnn_forecast epochs=10 future_steps=24 holdback=24 value by value into app:requests
| table predicted_0"""

Row = dict[str, str]
BLUE, ORANGE, RED, GREY = "#3b6ea5", "#e08a1e", "#c8352b", "#8c8c8c"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="dltk-picture-") as home, runtime(Path(home)) as environ:
        sea = search(environ, ANOMALIES)
        forecast = search(environ, FORECAST)
    requests = read(ROOT / "notebooks" / "data" / "samples" / "requests.csv")
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(9.6, 5.6), dpi=130, layout="constrained")
    upper, lower = figure.subplots(2)
    draw_anomalies(upper, sea)
    draw_forecast(lower, requests, forecast)
    figure.savefig(PICTURE)


def search(environ: dict[str, str], spl: str) -> list[Row]:
    """Run a search and return its rows."""
    command = [DLTK, "search", "--output", "csv", spl]
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=True)
    return list(csv.DictReader(io.StringIO(done.stdout)))


def read(path: Path) -> list[Row]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def numbers(rows: list[Row], field: str) -> list[float]:
    """Return the values of a field; an empty cell is not a number."""
    return [float(row[field] or "nan") for row in rows]


def titled(axes: Axes, spl: str, unit: str) -> None:
    """Put the search above the axes, as it was typed, and name the unit of the y axis."""
    axes.set_title(spl.rpartition("\n")[0], loc="left", family="monospace", fontsize=7.5)
    axes.set_ylabel(unit)
    axes.legend(loc="upper left", frameon=False, ncols=4)
    axes.margins(x=0.01, y=0.18)


def draw_anomalies(axes: Axes, rows: list[Row]) -> None:
    years = [EPOCH_YEAR + seconds / YEAR_SECONDS for seconds in numbers(rows, "_time")]
    values, flags = numbers(rows, "value"), numbers(rows, "predicted_outlier")
    marked = [index for index, flag in enumerate(flags) if flag == 1]
    axes.plot(years, values, color=BLUE, linewidth=0.9, label="value")
    axes.plot(
        [years[i] for i in marked], [values[i] for i in marked], "o", color=RED, ms=4, label="predicted_outlier=1"
    )
    titled(axes, ANOMALIES, "sea surface, °C")


def draw_forecast(axes: Axes, rows: list[Row], results: list[Row]) -> None:
    """Draw the last week: what came, what the model expected, and the day that no row shows yet."""
    first = len(rows) - SHOWN_HOURS
    expected = numbers(results, "predicted_0")
    axes.axvspan(len(rows) - 24, len(rows), color=GREY, alpha=0.15, label="not shown to the model")
    axes.plot(range(first, len(rows)), numbers(rows, "value")[first:], color=BLUE, linewidth=1.1, label="value")
    axes.plot(range(first, len(expected)), expected[first:], color=ORANGE, linewidth=1.1, label="predicted_0")
    axes.set_xlabel("hour")
    titled(axes, FORECAST, "requests an hour")


if __name__ == "__main__":
    main()
