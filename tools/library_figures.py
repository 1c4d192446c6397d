"""Write the table of train and held-out figures of the shipped notebooks to `docs/reference/algorithms.md`.

::

    python tools/library_figures.py              # all of them: some minutes
    python tools/library_figures.py NAME …       # print the rows of these

Each notebook that predicts a target is fitted with its default parameters to the search in its row, `RUNS` times. Each
run draws another fifth of the rows to hold out and, where the notebook has a constant `SEED`, begins with another seed.
The predictions are compared with the target by the runtime's own metrics; the table has the mean and the standard
deviation over the runs. Each notebook runs in a process of its own.
"""

from __future__ import annotations

import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "notebooks" / "data" / "samples"
PAGE = ROOT / "docs" / "reference" / "algorithms.md"
BEGIN, END = "<!-- figures: written by `tools/library_figures.py` -->\n", "<!-- end of figures -->\n"
SHARE = 0.2  # of the rows, held out
RUNS = 5
TIMEOUT_SECONDS = 600

IRIS = "sepal_length sepal_width petal_length petal_width"
NUMBERS = "age sex bmi bp s1 s2 s3 s4 s5 s6"
CANCER = "mean_radius mean_texture mean_perimeter mean_area mean_smoothness"
LOGINS = "hour failed_before distance_km device country"


@dataclass(frozen=True)
class Case:
    """A notebook, its sample, target and features, and the metric to show."""

    name: str
    sample: str
    target: str
    features: str
    metric: str


CASES: tuple[Case, ...] = (
    Case("binary_nn_classifier", "breast_cancer", "is_malignant", CANCER, "accuracy"),
    Case("binary_nn_classifier_designer", "logins", "is_takeover", LOGINS, "accuracy"),
    Case("dnn_regressor", "diabetes", "target", f"{NUMBERS} weight_class", "r2"),
    Case("grid_search_svm", "iris", "species", IRIS, "accuracy"),
    Case("linear_regressor", "diabetes", "target", f"{NUMBERS} weight_class", "r2"),
    Case("pytorch_logistic_regression", "iris", "species", IRIS, "accuracy"),
    Case("pytorch_nn", "iris", "species", IRIS, "accuracy"),
    Case("shap_xgboost", "diabetes", "target", NUMBERS, "r2"),
    Case("xgboost_regressor", "diabetes", "target", NUMBERS, "r2"),
)


def figures(case: Case, home: Path) -> dict[str, list[float]]:
    """Fit a notebook in this process, with its files below `home`.

    Returns:
        ``{"train": [figure of each run], "holdout": [figure of each run]}``.
    """
    import pandas as pd

    from dltk_runtime.emulator.mltk.grammar import parse_fit
    from dltk_runtime.emulator.mltk.request import fit_meta, select, used
    from dltk_runtime.notebook.algorithm import Algorithm
    from dltk_runtime.notebook.loader import CodeFinder
    from dltk_runtime.notebook.parameters import add_parameters
    from dltk_runtime.paths import SITE, Paths

    sys.path.insert(0, str(SITE))
    notebooks = ROOT / "notebooks"
    finder = CodeFinder(Paths(home=home, notebooks=notebooks))
    finder.install()
    algorithm = Algorithm(case.name, finder)
    frame = pd.read_csv(SAMPLES / f"{case.sample}.csv")
    meta = fit_meta(
        parse_fit(f"MLTKContainer algo={case.name} {case.target} from {case.features}"), list(frame.columns)
    )
    rows, _ = select(frame, used(meta))
    add_parameters(meta, algorithm.parameters)
    runs = [run(case, algorithm, rows.reset_index(drop=True), meta, number) for number in range(RUNS)]
    return {"train": [train for train, _ in runs], "holdout": [holdout for _, holdout in runs]}


def run(case: Case, algorithm: Any, rows: Any, meta: dict[str, Any], number: int) -> tuple[float, float]:
    """Fit once; return the figures of the rows of the fit and of those held out."""
    import numpy as np

    from dltk_runtime.tables import table
    from dltk_runtime.worker.fit import ModelFit
    from dltk_runtime.worker.holdout import scores

    constants = algorithm.fit.__globals__
    if "SEED" in constants:
        constants["SEED"] = number
    kept = np.random.default_rng(number).permutation(len(rows)) < round(SHARE * len(rows))
    meta = copy.deepcopy(meta)
    fit = ModelFit(rows[~kept].reset_index(drop=True), meta, lambda _, function, *arguments: function(*arguments))
    fit.fit(algorithm.fit, fit.init(algorithm.init, algorithm.summary))
    said = table.to_frame(algorithm.apply(fit.model, rows.drop(columns=case.target), meta)).iloc[:, 0]
    said = said.reset_index(drop=True)
    train, holdout = (scores(said[mask], rows[case.target][mask])[case.metric] for mask in (~kept, kept))
    return train, holdout


def row(case: Case) -> str:
    """Return the row of a notebook, which runs in a process of its own."""
    command = [sys.executable, __file__, "--in-this-process", case.name]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}  # threads that wait for one another take minutes
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, cwd=ROOT, env=environ, check=False
    )
    if done.returncode:
        raise SystemExit(f"{case.name}: {done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    train, holdout = (
        f"{statistics.mean(each):.3f} ± {statistics.stdev(each):.3f}" for each in (found["train"], found["holdout"])
    )
    fields = f"{case.sample}: `{case.target}` from {len(case.features.split())} fields"
    return f"| `{case.name}` | {fields} | {case.metric} | {train} | {holdout} |"


def table_of(cases: tuple[Case, ...]) -> str:
    """Return the table."""
    head = "| algorithm | sample | metric | train | holdout |\n|---|---|---|---|---|"
    return "\n".join([head, *map(row, cases)]) + "\n"


def main(arguments: list[str]) -> None:
    """Print the figures of some notebooks, or write the whole table."""
    if arguments[:1] == ["--in-this-process"]:
        (case,) = (each for each in CASES if each.name == arguments[1])
        with tempfile.TemporaryDirectory() as home:
            print(json.dumps(figures(case, Path(home))))
    elif arguments:
        print(table_of(tuple(each for each in CASES if each.name in arguments)), end="")
    else:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{table_of(CASES)}\n{END}{after}", encoding="utf-8")
        print(f"{PAGE.relative_to(ROOT)} has the current figures.")


if __name__ == "__main__":
    main(sys.argv[1:])
