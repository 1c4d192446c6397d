"""Writes the sample data in notebooks/data/samples: sets that scikit-learn ships, and others made here by code.

Each set becomes ``NAME.csv`` with the ``NAME.json`` that a search with ``mode=stage`` writes beside it, for the
notebooks' own cycle; most also ``NAME_train.csv`` and ``NAME_test.csv`` for trying a model on rows it has not seen.
The same versions of the libraries write the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.model_selection import train_test_split

SAMPLES = Path(__file__).resolve().parent.parent / "notebooks" / "data" / "samples"
SEED = 1  # a split on which every healthy model is well above what the demo asks for
TEST_SHARE = 0.3
MOST_CLASSES = 20  # a target with more different values is a quantity
MONDAY = 1_767_571_200  # 2026-01-05 00:00 UTC

# What the names of `dga` are made of. Both lists are of plain English words; they share none.
WORDS = """
    apple art audio auto baby bank beach bike blue board boat book box bread bridge bright business cafe camera camp car
    card care cart cash chat church city class clean click cloud club coach code coffee college cook cool craft credit
    daily dance data deal dental design diet digital direct doctor dog dream drive earth easy energy event expert
    express farm fashion fast film finance fine fire fish fit flower fly food forum free fresh friend fun game garden
    gift global gold golf good green group guide hair happy health help home hotel house idea image island jazz job
    kids kitchen lake land law learn legal life light line link list live local love mail map market media metal mobile
    money moon motor movie music nature net news night north ocean office online open organic page paint paper park
    party pet phone photo pizza planet play plus pool post power press print pro radio rain real red rent repair river
    road rock room sale school sea search secure shoe shop silver sky smart snow social soft solar song sound south
    space sport spring star stock store story studio style summer sun surf swim table tea team tech tennis test ticket
    time tool top tour town toy trade train travel tree trip true turbo university valley video view village vintage
    water web wedding well west white wild wind wine winter wood work world yard yoga young zone
"""
MALWARE_WORDS = """
    above against almost anger aspect attempt barely became before behind belong breath broken captain carried caught
    century certain chance charge clothe company consider corner crowd degree desire destroy differ distant double
    during effort either enough escape evening except explain family figure finger flight foreign forget forward
    gather gentle glossary happen heaven history however hunger increase instead journey labour language laughter
    length letter likely listen machine manner measure mention method middle mister moment morning mountain necessary
    neither number object oppose outside pattern perhaps picture pleasure prepare problem promise question
    quiet rather reason receive remember result return safety season separate service several shadow shoulder simple
    single soldier spread station stranger strength student suffer thought through toward trouble twelve welcome
    whether willing window within without wonder wrong
"""
ENDINGS = ("24", "app", "hub", "lab", "365", "online", "shop", "blog", "ly", "world")
HOSTS = ("www", "mail", "api", "cdn", "m", "static", "login", "img2")
TOP_LEVEL = ("com", "com", "com", "net", "org", "info", "io", "de", "co.uk", "biz", "top", "xyz")


@dataclass(frozen=True, slots=True)
class Sample:
    """One set: its rows, the field to predict if any, and the fields as the search that stages it names them.

    `split_by` is the field after the word ``by``; `parted` sets have the two files for training and testing.
    """

    name: str
    algorithm: str
    frame: pd.DataFrame
    target: str | None
    wanted: tuple[str, ...]
    split_by: str | None = None
    parted: bool = True

    @property
    def features(self) -> list[str]:
        """The wanted fields, in the order of the columns."""
        patterns = [re.escape(name).replace(r"\*", ".*") for name in self.wanted]
        columns = [column for column in self.frame.columns if column != self.target]
        return [column for column in columns if any(re.fullmatch(pattern, column) for pattern in patterns)]


def iris() -> Sample:
    """150 flowers of three species, four lengths in centimetres."""
    bunch = load_iris(as_frame=True)
    frame = bunch.data.rename(columns=field_name)
    frame["species"] = [bunch.target_names[number] for number in bunch.target]
    wanted = ("petal_length", "petal_width", "sepal_length", "sepal_width")
    return Sample("iris", "pytorch_nn", frame, "species", wanted)


def breast_cancer() -> Sample:
    """569 tumours, 30 measures of the cells' nuclei; `is_malignant` is 1 for 212 of them."""
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data.rename(columns=field_name)
    frame["is_malignant"] = (bunch.target == list(bunch.target_names).index("malignant")).astype(int)
    return Sample("breast_cancer", "binary_nn_classifier", frame, "is_malignant", ("mean_*", "*_error", "worst_*"))


def wine() -> Sample:
    """178 wines of three growers, 13 measures; `is_train` marks four of five for training."""
    bunch = load_wine(as_frame=True)
    frame = bunch.data.rename(columns=lambda column: field_name(column.replace("/", "_")))
    frame["is_train"] = (np.arange(len(frame)) % 5 != 0).astype(int)
    frame["label"] = [f"grower_{number + 1}" for number in bunch.target]
    return Sample("wine", "dnn_lab", frame, "label", tuple(frame.columns[:-1]), parted=False)


def diabetes() -> Sample:
    """442 patients; `target` says how the disease went on; `weight_class`, a text, is the usual reading of `bmi`."""
    bunch = load_diabetes(as_frame=True, scaled=False)
    classes = pd.cut(bunch.data["bmi"], [0, 25, 30, np.inf], right=False, labels=["normal", "overweight", "obese"])
    frame = bunch.data.round(4).assign(weight_class=classes.astype(str), target=bunch.target.astype(int))
    return Sample("diabetes", "dnn_regressor", frame, "target", (*bunch.data.columns, "weight_class"))


def logins() -> Sample:
    """800 logins, made here; `is_takeover` is likelier at night, after failures, from some countries and devices."""
    chance = np.random.default_rng(SEED)
    rows = 800
    countries = [f"{first}{second}" for first in "ABCDEFGH" for second in "KLMNO"]
    frame = pd.DataFrame(
        {
            "hour": chance.integers(0, 24, rows),
            "failed_before": chance.poisson(1.0, rows),
            "distance_km": chance.gamma(1.2, 300, rows).round(1),
            "device": chance.choice(["phone", "laptop", "tablet", "script"], rows, p=[0.5, 0.35, 0.1, 0.05]),
            "country": chance.choice(countries, rows),
        }
    )
    odds = frame["failed_before"] + frame["distance_km"] / 300 + 2.0 * (frame["hour"] < 6) - 3.5
    odds += 3.0 * (frame["device"] == "script") + 2.5 * frame["country"].str.startswith(("A", "B"))
    frame["is_takeover"] = (chance.random(rows) < 1 / (1 + np.exp(-1.5 * odds))).astype(int)
    wanted = ("hour", "failed_before", "distance_km", "device", "country")
    return Sample("logins", "binary_nn_classifier_designer", frame, "is_takeover", wanted)


def requests() -> Sample:
    """Requests in each hour of 18 days, made here: busy by day, quiet on the sixth and seventh day, some noise."""
    chance = np.random.default_rng(SEED)
    hours = np.arange(18 * 24)
    by_day = 200 + 150 * np.sin((hours % 24 - 8) / 24 * 2 * np.pi)
    weekend = np.where(hours // 24 % 7 >= 5, 0.6, 1.0)
    value = (by_day * weekend * (1 + 0.04 * chance.standard_normal(len(hours)))).round(1)
    frame = pd.DataFrame({"_time": MONDAY + 3600 * hours, "value": value})
    return Sample("requests", "univariate_rnn_forecast", frame, None, ("value",), split_by="value", parted=False)


def server_power() -> Sample:
    """What a server draws, in watts, each minute for eight hours, made here: its fans follow the load with delay."""
    chance = np.random.default_rng(SEED)
    minutes = np.arange(8 * 60)
    load = 50 + 30 * np.sin(minutes / 25) + 12 * chance.standard_normal(len(minutes))
    cpu = load.clip(0, 100).round(1)
    disk = chance.gamma(2.0, 20, len(minutes)).round(1)
    network = (cpu * 0.8 + 10 * chance.standard_normal(len(minutes))).clip(0).round(1)
    fans = pd.Series(cpu).rolling(4, min_periods=1).mean().to_numpy()  # of the last four minutes
    power = (90 + 0.6 * cpu + 1.4 * fans + 0.1 * disk + chance.standard_normal(len(minutes))).round(1)
    columns = {"_time": MONDAY + 60 * minutes, "cpu": cpu, "disk": disk, "network": network, "ac_power": power}
    return Sample(
        "server_power",
        "multivariate_lstm",
        pd.DataFrame(columns),
        "ac_power",
        ("cpu", "disk", "network"),
        parted=False,
    )


def dga() -> Sample:
    """2,000 domain names, made here: half as people choose them, half as five kinds of malware might make them."""
    chance = np.random.default_rng(SEED)
    rows = [(name, 0, "legit") for name in _different(_chosen_by_people, chance, 1000)]
    for make in (_letters, _hexadecimal, _letters_and_digits, _syllables, _run_together):
        rows += [(name, 1, make.__name__.lstrip("_")) for name in _different(make, chance, 200)]
    frame = pd.DataFrame(rows, columns=["domain", "is_dga", "subclass"])
    frame = frame.iloc[chance.permutation(len(frame))].reset_index(drop=True)
    return Sample("dga", "dga_classifier", frame, "is_dga", ("domain",))


Chance = np.random.Generator


def _different(make: Callable[[Chance], str], chance: Chance, count: int) -> list[str]:
    """So many different names, each below a top level domain drawn without regard to how the name was made."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[f"{make(chance)}.{chance.choice(TOP_LEVEL)}"] = None
    return list(found)


def _chosen_by_people(chance: Chance) -> str:
    first, second = chance.choice(WORDS.split(), 2)
    forms = (first, first + second, f"{first}-{second}", first + chance.choice(ENDINGS), second + first[:3])
    host = chance.choice(HOSTS) + "." if chance.random() < 0.25 else ""
    return host + str(chance.choice(forms))


def _letters(chance: Chance) -> str:
    return "".join(chance.choice(list("abcdefghijklmnopqrstuvwxyz"), chance.integers(9, 19)))


def _hexadecimal(chance: Chance) -> str:
    day = str(chance.integers(10**9)).encode()
    return hashlib.sha256(day).hexdigest()[: chance.integers(10, 21)]


def _letters_and_digits(chance: Chance) -> str:
    return "".join(chance.choice(list("abcdefghijklmnopqrstuvwxyz0123456789"), chance.integers(12, 25)))


def _syllables(chance: Chance) -> str:
    pairs = zip(chance.choice(list("bcdfghjklmnpqrstvwxz"), 7), chance.choice(list("aeiouy"), 7), strict=True)
    return "".join(consonant + vowel for consonant, vowel in pairs)[: chance.integers(8, 15)]


def _run_together(chance: Chance) -> str:
    return "".join(chance.choice(MALWARE_WORDS.split(), 3))


def field_name(column: str) -> str:
    """``petal length (cm)`` → ``petal_length``: a name that needs no quotes in a search."""
    return re.sub(r"\W+", "_", column.removesuffix("(cm)").strip()).lower()


def staged_meta(sample: Sample) -> dict[str, Any]:
    """What Splunk sends for ``fit MLTKContainer mode=stage algo=… TARGET from … into app:NAME``."""
    targets = [sample.target] if sample.target else []
    return {
        "options": {
            "params": {"mode": "stage", "algo": sample.algorithm},
            "args": [*targets, *sample.wanted],
            **({"target_variable": targets} if targets else {}),
            "feature_variables": list(sample.wanted),
            **({"split_by": [sample.split_by]} if sample.split_by else {}),
            "model_name": sample.name,
            "algo_name": "MLTKContainer",
            "mlspl_limits": {"max_fit_time": "600", "max_inputs": "100000", "max_memory_usage_mb": "4000"},
            "kfold_cv": None,
        },
        "feature_variables": sample.features,
        **({"target_variables": targets} if targets else {}),
    }


def write(sample: Sample, folder: Path) -> None:
    """Writes the files of one set."""
    for suffix, frame in parts(sample).items():
        frame.to_csv(folder / f"{sample.name}{suffix}.csv", index=False, lineterminator="\n")
    meta = json.dumps(staged_meta(sample), indent=2)
    (folder / f"{sample.name}.json").write_text(meta + "\n", encoding="utf-8")


def parts(sample: Sample) -> dict[str, pd.DataFrame]:
    """The rows by the ending of the file's name."""
    if not sample.parted:
        return {"": sample.frame}
    answers = sample.frame[sample.target]
    classes = answers if answers.nunique() <= MOST_CLASSES else None
    train, test = train_test_split(sample.frame, test_size=TEST_SHARE, stratify=classes, random_state=SEED)
    return {"": sample.frame, "_train": train, "_test": test}


def main(folder: Path = SAMPLES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for sample in (iris(), breast_cancer(), wine(), diabetes(), logins(), requests(), server_power(), dga()):
        write(sample, folder)


if __name__ == "__main__":
    main()
