"""Writes the sample data in notebooks/data/samples from the sets that scikit-learn ships.

Each set becomes ``NAME.csv`` with the ``NAME.json`` that a search with ``mode=stage`` writes beside it, for the
notebooks' own cycle, and ``NAME_train.csv`` and ``NAME_test.csv`` for trying a model on rows it has not seen.
The same versions of the libraries write the same bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.model_selection import train_test_split

SAMPLES = Path(__file__).resolve().parent.parent / "notebooks" / "data" / "samples"
SEED = 1  # a split on which every healthy model is well above what the demo asks for
TEST_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Sample:
    """One set: its rows, the field to predict, and the fields as the search that stages it names them."""

    name: str
    algorithm: str
    frame: pd.DataFrame
    target: str
    wanted: tuple[str, ...]

    @property
    def features(self) -> list[str]:
        return [column for column in self.frame.columns if column != self.target]


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


def field_name(column: str) -> str:
    """``petal length (cm)`` → ``petal_length``: a name that needs no quotes in a search."""
    return re.sub(r"\W+", "_", column.removesuffix("(cm)").strip()).lower()


def staged_meta(sample: Sample) -> dict[str, Any]:
    """What Splunk sends for ``fit MLTKContainer mode=stage algo=… TARGET from … into app:NAME``."""
    return {
        "options": {
            "params": {"mode": "stage", "algo": sample.algorithm},
            "args": [sample.target, *sample.wanted],
            "target_variable": [sample.target],
            "feature_variables": list(sample.wanted),
            "model_name": sample.name,
            "algo_name": "MLTKContainer",
            "mlspl_limits": {"max_fit_time": "600", "max_inputs": "100000", "max_memory_usage_mb": "4000"},
            "kfold_cv": None,
        },
        "feature_variables": sample.features,
        "target_variables": [sample.target],
    }


def write(sample: Sample, folder: Path) -> None:
    """Writes the four files of one set."""
    train, test = train_test_split(
        sample.frame, test_size=TEST_SHARE, stratify=sample.frame[sample.target], random_state=SEED
    )
    for suffix, frame in (("", sample.frame), ("_train", train), ("_test", test)):
        frame.to_csv(folder / f"{sample.name}{suffix}.csv", index=False, lineterminator="\n")
    meta = json.dumps(staged_meta(sample), indent=2)
    (folder / f"{sample.name}.json").write_text(meta + "\n", encoding="utf-8")


def main(folder: Path = SAMPLES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for sample in (iris(), breast_cancer()):
        write(sample, folder)


if __name__ == "__main__":
    main()
