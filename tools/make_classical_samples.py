"""Writes further sample data to notebooks/data/samples: series and a graph that libraries ship, remarks written here.

Beside ``make_samples.py``, which says what the files are; another folder may be named on the command line.
"""

from __future__ import annotations

import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
from make_samples import SAMPLES, Sample, write
from statsmodels.datasets import co2, elnino, nile

# What users might write after a call to the help desk; none of it is real.
GOOD = """
    Great service, my problem was solved in five minutes.
    The new dashboard is beautiful and very easy to use.
    I love how fast the search is now.
    Thank you, the engineer was friendly and extremely helpful.
    Excellent work, everything runs perfectly since the update.
    The training was interesting and the examples were clear.
    Happy with the result, the report looks amazing.
    A wonderful tool, it saves my team hours of work.
    Best support I have had in years.
    Good explanation, and a nice surprise that it was free.
    The login works fine again, I am impressed.
    Awesome, the alert came at the right time.
    Very pleasant call, she knew exactly what to do.
    The upgrade was smooth and the new features are superb.
    I am delighted with the quick and accurate answer.
    Not bad at all, the second attempt worked.
    Lovely interface, I enjoy working with it.
    The fix was simple and the outcome is fantastic.
"""
BAD = """
    Terrible experience, I waited an hour for nothing.
    The search is painfully slow and the results are wrong.
    I hate the new menu, it is confusing and ugly.
    The worst update so far, my reports are broken.
    Awful support, nobody could answer a basic question.
    Very disappointed, the promised call never came.
    The documentation is useless and full of errors.
    An annoying bug deletes my filters again and again.
    The service was rude and the answer was stupid.
    It is not good that the password expires every week.
    Horrible weekend, the system was down for two days.
    The alert came late and the damage was serious.
    A bad joke: the fix made it worse.
    I am angry, my data is lost and no one cares.
    The installation is a nightmare and fails at random.
    Poor quality, the pictures are dull and the text is boring.
    Ridiculous price for such a weak product.
    Sadly the printer is still broken and I am tired of it.
"""

# Version, ciphers, extensions, curves and point formats, by numbers of the registries of TLS; no real client's.
CLIENTS = {
    "browser": (
        "771",
        "4865-4866-4867-49195-49199-49196-49200-52393",
        "0-23-65281-10-11-35-16-5-13-18",
        "29-23-24",
        "0",
    ),
    "script": (
        "771",
        "4866-4867-4865-49196-49200-159-52393-107-57",
        "0-11-10-35-22-23-13-43-45-51",
        "29-23-30",
        "0-1-2",
    ),
    "old system": ("769", "47-53-5-10-49171-49172-50-56-19-4", "0-10-11", "23-24", "0"),
    "sensor": ("770", "49199-156-47", "13-10", "23", "0"),
}
LEFT_OUT = 0.04  # share of the options
SEED = 1


def sea_temperature() -> Sample:
    """The Pacific off Peru, 492 months from 1970 on, in degrees Celsius; the warm years 1982 and 1997 were El Niños."""
    months = elnino.load_pandas().data.set_index("YEAR").stack().reset_index(drop=True)
    start = pd.date_range("1950-01-01", periods=len(months), freq="MS")
    frame = pd.DataFrame({"_time": start.as_unit("s").astype("int64"), "value": months.round(2)})
    frame = frame[frame["_time"] >= 0].reset_index(drop=True)
    return Sample("sea_temperature", "stumpy", frame, "value", ("_time",), parted=False)


def carbon_dioxide() -> pd.Series[float]:
    """The air's carbon dioxide on Mauna Loa, the mean of each month from 1970 on, in parts per million."""
    weeks = co2.load_pandas().data["co2"]
    return weeks["1970":].resample("MS").mean().round(2)


def monthly_co2() -> Sample:
    """`carbon_dioxide` as Splunk has series: `_time` in epoch seconds."""
    months = carbon_dioxide()
    frame = pd.DataFrame({"_time": months.index.as_unit("s").astype("int64"), "value": months.to_numpy()})
    wanted = ("_time", "value")
    return Sample("co2", "seasonality_and_trend_decomposition", frame, None, wanted, parted=False)


def co2_by_day() -> Sample:
    """`carbon_dioxide` with the names that Prophet wants."""
    months = carbon_dioxide()
    frame = pd.DataFrame({"ds": months.index.strftime("%Y-%m-%d"), "y": months.to_numpy()})
    return Sample("co2_ds", "prophet_forecast", frame, None, ("ds", "y"), parted=False)


def nile_volume() -> Sample:
    """What the Nile brought to Aswan each year, in 10^8 cubic metres; a hundred years, with a dam from 1899 on."""
    frame = nile.load_pandas().data.astype(int)
    return Sample("nile", "drift_detection", frame, "volume", ("year",), parted=False)


def karate_club() -> Sample:
    """Who met whom outside a karate club: 34 members, 78 pairs (Zachary, 1977)."""
    pairs = [(f"member_{a + 1}", f"member_{b + 1}") for a, b in nx.karate_club_graph().edges]
    return Sample(
        "karate_club", "graph_algo", pd.DataFrame(pairs, columns=["src", "dest"]), None, ("src", "dest"), parted=False
    )


def remarks() -> Sample:
    """36 remarks about a help desk, written here; `mood` says how they were meant."""
    rows = [(line.strip(), mood) for mood, text in (("good", GOOD), ("bad", BAD)) for line in text.strip().splitlines()]
    return Sample(
        "remarks", "text_sentiment", pd.DataFrame(rows, columns=["text", "mood"]), None, ("text",), parted=False
    )


def ja3() -> Sample:
    """120 JA3 texts of four made-up TLS clients, each of which leaves out an option now and then."""
    rng = np.random.default_rng(SEED)
    rows = []
    for client, (version, *lists) in CLIENTS.items():
        for _ in range(30):
            kept = ["-".join(each for each in options.split("-") if rng.random() > LEFT_OUT) for options in lists]
            rows.append((",".join([version, *kept]), client))
    order = rng.permutation(len(rows))
    frame = pd.DataFrame([rows[row] for row in order], columns=["ja3", "client"])
    return Sample("ja3", "ja3_encoder", frame, None, ("ja3",), parted=False)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for sample in (sea_temperature(), monthly_co2(), co2_by_day(), nile_volume(), karate_club(), remarks(), ja3()):
        write(sample, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES)
